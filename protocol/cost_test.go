package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/halobestie/bestie-gateway/protocol"
)

// TestNoAllocations is not parallel: testing.AllocsPerRun forbids it.
func TestNoAllocations(t *testing.T) {
	buf := make([]byte, 0, 4096)
	var (
		heartbeat = []byte{0x92, 1, 0}
		accept    = protocol.OfferAccept{OfferID: offerID}.Append(nil, 7)
		anOffer   = offer()
		aSession  = customersSession()
		garbage   = unhex("930100ddffffffff")
	)
	for name, run := range map[string]func(){
		"parse and decode heartbeat": func() {
			frame, err := protocol.Parse(heartbeat)
			if err != nil || (&protocol.Heartbeat{}).Decode(frame.Body) != nil {
				t.Fail()
			}
		},
		"parse and decode offer.accept": func() {
			var m protocol.OfferAccept
			frame, err := protocol.Parse(accept)
			if err != nil || m.Decode(frame.Body) != nil || m.OfferID != offerID {
				t.Fail()
			}
		},
		"refuse":              func() { _, _ = protocol.Parse(garbage) },
		"check a role":        func() { _ = protocol.Check(protocol.KindPairingRequest, protocol.RoleMitra) },
		"encode availability": func() { buf = protocol.Availability{Available: 128, At: now}.Append(buf[:0], 0) },
		"encode ack":          func() { buf = protocol.Ack{}.Append(buf[:0], 7) },
		"encode offer":        func() { buf = anOffer.Append(buf[:0], 0) },
		"encode session":      func() { buf = protocol.SessionUpdate{Session: aSession}.Append(buf[:0], 0) },
		"encode draining":     func() { buf = protocol.Draining{ReconnectAfterMS: 4200}.Append(buf[:0], 0) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, run), name)
	}
}

func BenchmarkHeartbeatDecode(b *testing.B) {
	msg := []byte{0x92, 1, 0}
	b.ReportAllocs()
	for b.Loop() {
		frame, _ := protocol.Parse(msg)
		_ = (&protocol.Heartbeat{}).Decode(frame.Body)
	}
}

func BenchmarkOfferAcceptDecode(b *testing.B) {
	msg := protocol.OfferAccept{OfferID: offerID}.Append(nil, 7)
	b.ReportAllocs()
	for b.Loop() {
		var m protocol.OfferAccept
		frame, _ := protocol.Parse(msg)
		_ = m.Decode(frame.Body)
	}
}

func BenchmarkAvailabilityEncode(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = protocol.Availability{Available: 128, At: now}.Append(buf[:0], 0)
	}
}

func BenchmarkSessionEncode(b *testing.B) {
	buf, update := make([]byte, 0, 1024), protocol.SessionUpdate{Session: customersSession()}
	b.ReportAllocs()
	for b.Loop() {
		buf = update.Append(buf[:0], 0)
	}
}

func BenchmarkSessionDecode(b *testing.B) {
	msg := protocol.SessionUpdate{Session: customersSession()}.Append(nil, 0)
	b.ReportAllocs()
	for b.Loop() {
		var m protocol.SessionUpdate
		frame, _ := protocol.ParseFromServer(msg)
		_ = m.Decode(frame.Body)
	}
}
