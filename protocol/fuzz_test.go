package protocol_test

import (
	"bytes"
	"math"
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
		err = m.Decode(frame.Body)
		if cost, bound := cheapest(m, frame.Body), uint64(64*len(msg)+1024); cost > bound {
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

// cheapest is how many bytes decoding allocates: the least of some tries, since other goroutines of the test allocate too.
func cheapest(m protocol.Message, body []byte) uint64 {
	least := uint64(math.MaxUint64)
	var before, after runtime.MemStats
	for range 3 {
		runtime.ReadMemStats(&before)
		_ = m.Decode(body)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
