package telemetry

import (
	"io"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	type inner struct{ MessagesOut uint64 }
	type stats struct {
		inner
		Connections uint64
		OutOfFiles  uint64
		Closed      map[uint16]uint64
		Name        string // no number: left out
		Socket      struct{ Messages uint64 }
	}
	handler := Handler(map[string]any{"gateway": func() stats {
		s := stats{inner: inner{7}, Connections: 3, OutOfFiles: 1, Closed: map[uint16]uint64{4000: 2}}
		s.Socket.Messages = 5
		return s
	}})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	for _, line := range []string{
		"bestie_gateway_connections 3", "bestie_gateway_out_of_files_total 1", "bestie_gateway_messages_out_total 7",
		`bestie_gateway_closed_total{code="4000"} 2`, "bestie_gateway_socket_messages_total 5", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		require.Contains(t, string(body), line)
	}
}

func TestSnake(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Calls": "calls", "MessagesOut": "messages_out", "SQLErrors": "sql_errors", "BytesHTTP": "bytes_http",
	} {
		require.Equal(t, want, snake(name))
	}
}
