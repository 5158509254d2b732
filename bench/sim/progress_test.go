package sim

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	for terminal, want := range map[bool]struct {
		lines int
		first string
	}{
		true:  {lines: 12, first: "\r   1s  sockets 7  heartbeats/s 30 "},
		false: {lines: 2, first: "   5s  sockets 7  heartbeats/s 6 "},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{opts: Options{Terminal: terminal}, ledger: newLedger()}
			ctx, cancel := context.WithCancel(t.Context())
			var out bytes.Buffer
			done := make(chan struct{})
			go func() {
				defer close(done)
				w.showProgress(ctx, &out)
			}()
			synctest.Wait()
			w.meters.sockets.Store(7)
			w.meters.heartbeats.Store(30)
			time.Sleep(12*time.Second + time.Millisecond)
			cancel()
			<-done
			require.True(t, strings.HasPrefix(out.String(), want.first), out.String())
			require.Equal(t, want.lines, strings.Count(out.String(), "sockets 7"))
		})
	}
}
