package presence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/core"
)

func TestSilence(t *testing.T) {
	t.Parallel()
	beat, goodbye := core.NewID[core.MitraID](), core.NewID[core.MitraID]()
	both := []core.MitraID{beat, goodbye}

	t.Run("OK", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			pass(r.cfg.Stale + 2*time.Second)
			change(&r.valkey.mu, func() { r.valkey.online = []Heartbeat{{beat, time.Now().Add(-time.Minute)}} })
			silence, sure, err := r.Silence(t.Context(), both)
			require.NoError(t, err)
			require.True(t, sure)
			require.Equal(t, map[core.MitraID]time.Duration{beat: time.Minute}, silence)
		})
	})

	t.Run("NotSureAfterAStart", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			_, sure, err := r.Silence(t.Context(), both)
			require.NoError(t, err)
			require.False(t, sure)
		})
	})

	t.Run("ErrOutage", func(t *testing.T) {
		run(t, func(t *testing.T, r *rig) {
			pass(r.cfg.Stale + 2*time.Second)
			change(&r.valkey.mu, func() { r.valkey.err = ErrDown })
			_, sure, err := r.Silence(t.Context(), both)
			require.Error(t, err)
			require.False(t, sure)
			_, sure, err = r.Silence(t.Context(), both)
			require.NoError(t, err, "not asked again within a window")
			require.False(t, sure)
		})
	})
}
