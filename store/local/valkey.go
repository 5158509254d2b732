package local

import "context"

type mini struct{}

func (*mini) start(context.Context) error { return ErrExternal }
func (*mini) kill() error                 { return ErrExternal }
func (*mini) pause() error                { return ErrExternal }
func (*mini) resume() error               { return ErrExternal }
func (*mini) close()                      {}
