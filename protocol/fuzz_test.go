package protocol_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/halobestie/bestie-gateway/protocol"
)

// seed gives a fuzz test every vector, good and bad, beside its committed corpus.
func seed(f *testing.F) {
	for _, vectors := range families() {
		for _, v := range vectors {
			f.Add(v.message.Append(nil, v.id))
		}
	}
	for _, v := range append(notFrames(), wrongKinds()...) {
		f.Add(unhex(v.Hex))
	}
}

// FuzzParse: what the scan accepts is one whole msgpack value for the independent codec too, and its head is what Parse says.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		frame, err := protocol.Parse(msg)
		if err != nil {
			return
		}
		reader := bytes.NewReader(msg)
		decoder := msgpack.NewDecoder(reader)
		n, err := decoder.DecodeArrayLen()
		if err != nil || n < 2 || n > 3 {
			t.Fatalf("array of %d: %v", n, err)
		}
		kind, err := decoder.DecodeUint64()
		if err != nil || protocol.Kind(kind) != frame.Kind {
			t.Fatalf("kind %d, not %d: %v", frame.Kind, kind, err)
		}
		id, err := decoder.DecodeUint64()
		if err != nil || id != uint64(frame.ID) {
			t.Fatalf("id %d, not %d: %v", frame.ID, id, err)
		}
		if n == 3 {
			if err := decoder.Skip(); err != nil {
				t.Fatalf("body: %v", err)
			}
		}
		if reader.Len() != 0 {
			t.Fatalf("%d bytes behind the message", reader.Len())
		}
		if _, err := protocol.ParseFromServer(msg); err != nil {
			t.Fatalf("a client takes less than the gateway: %v", err)
		}
	})
}

// FuzzDecode: decoding what was scanned takes at most 64 times the message's memory (and what a small error costs), and what was
// decoded is the same after another round. Decoding what was not scanned must not panic either.
func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		frame, err := protocol.ParseFromServer(msg)
		if err != nil {
			for _, spec := range protocol.Kinds() {
				_ = spec.New().Decode(msg)
			}
			return
		}
		spec, ok := protocol.Lookup(frame.Kind)
		if !ok {
			return
		}
		m := spec.New()
		before := allocated()
		err = m.Decode(frame.Body)
		if cost, bound := allocated()-before, uint64(64*len(msg)+4096); cost > bound {
			t.Fatalf("decoding %d bytes took %d, more than %d", len(msg), cost, bound)
		}
		if err != nil {
			return
		}
		first := m.Append(nil, frame.ID)
		if second := recode(t, first); !bytes.Equal(first, second) {
			t.Fatalf("another round changed it:\n%x\n%x", first, second)
		}
	})
}

// allocated is how many bytes were allocated so far.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}
