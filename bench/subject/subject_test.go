package subject

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/protocol"
)

// What is sent ready made is what the gateway takes, and what is looked for is what it answers.
func TestDialect(t *testing.T) {
	t.Parallel()
	d := Dialect()
	request, err := protocol.Parse(d.Request)
	require.NoError(t, err)
	require.Len(t, d.Request, 32, "as long as the other servers' requests")
	require.Equal(t, protocol.KindHeartbeat, request.Kind)
	require.NoError(t, new(protocol.Heartbeat).Decode(request.Body))
	answer, err := protocol.ParseFromServer(d.Answer)
	require.NoError(t, err)
	require.Equal(t, protocol.KindAck, answer.Kind)
	require.Equal(t, request.ID, answer.ID)

	for _, n := range []int{0, 3, 1 << 20} {
		event := protocol.Availability{Available: n, At: 1 << 40}.Append(nil, 0)
		require.Equal(t, d.Event, event[:len(d.Event)])
	}
	for _, message := range append(d.Triggers, d.OneWay, d.Subscribe) {
		frame, err := protocol.Parse(message)
		require.NoError(t, err)
		require.Zero(t, frame.ID, "nobody waits for an answer")
	}
}
