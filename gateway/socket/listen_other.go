//go:build !linux

package socket

// mayShare: elsewhere the newest listener of a shared port may get all of its connections, so there is one, and one loop.
const mayShare = false

func tune(int) error { return nil }
