package chat

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

// shelf is a store that notes what it is asked.
type shelf struct {
	note      string
	extension Extension
	err       error
}

func (s *shelf) Live(context.Context, core.Principal) ([]Session, error) { return nil, s.err }

func (s *shelf) End(_ context.Context, _ core.SessionID, _ core.Principal, note string) (Session, error) {
	s.note = note
	return Session{}, s.err
}

func (s *shelf) Reroute(_ context.Context, _ core.SessionID, _ core.Principal, note string) (Session, error) {
	s.note = note
	return Session{}, s.err
}

func (s *shelf) Extend(_ context.Context, e Extension) (Session, error) {
	s.extension = e
	return Session{}, s.err
}

func (s *shelf) Packages(context.Context) ([]Package, error) { return nil, s.err }

func TestService_Rules(t *testing.T) {
	t.Parallel()
	store := &shelf{}
	s := NewService(store, nil, nil, slog.New(slog.DiscardHandler))
	who, id := core.Principal{}, core.NewID[core.SessionID]()
	long := strings.Repeat("é", MaxEndReason+7)
	_, err := s.End(t.Context(), id, who, long)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", MaxEndReason), store.note)

	_, err = s.Reroute(t.Context(), id, who, long+"x")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", MaxEndReason), store.note)
	require.Len(t, s.wake, 1, "its first wave is due at once")
	<-s.wake

	good := Extension{SessionID: id, PackageID: core.NewID[core.PackageID](), Key: strings.Repeat("é", MaxKey)}
	_, err = s.Extend(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, good, store.extension)
	for field, spoil := range map[string]func(*Extension){
		"request_key": func(e *Extension) { e.Key = "" },
		"package_id":  func(e *Extension) { e.PackageID = core.PackageID{} },
	} {
		bad := good
		spoil(&bad)
		_, err = s.Extend(t.Context(), bad)
		var coded *core.Error
		require.ErrorAs(t, err, &coded)
		require.Equal(t, field, coded.Field)
	}
	good.Key += "x"
	_, err = s.Extend(t.Context(), good)
	require.Equal(t, core.BadMessage, core.CodeOf(err))

	store.err = &StateError{Err: core.Errorf(core.WrongState, "the session is ended"), Session: Session{ID: id}}
	_, err = s.Reroute(t.Context(), id, who, "")
	require.Equal(t, core.WrongState, core.CodeOf(err))
	require.ErrorContains(t, err, "ended")
	require.Empty(t, s.wake)
	store.err = errors.New("refused")
	_, err = s.Live(t.Context(), who)
	require.Error(t, err)
	_, err = s.Packages(t.Context())
	require.Error(t, err)
}
