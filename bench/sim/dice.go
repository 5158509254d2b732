package sim

import (
	"math/rand/v2"
	"time"

	"github.com/halobestie/bestie-gateway/protocol"
)

// dice is what one client leaves to chance. With the same seed it does the same, as far as its surroundings let it.
type dice struct{ *rand.Rand }

func newDice(seed uint64, role protocol.Role, number int) *dice {
	stream := uint64(number) << 1
	if role == protocol.RoleMitra {
		stream |= 1
	}
	return &dice{rand.New(rand.NewPCG(seed, stream))}
}

// upTo is a time below d, zero when d is not above zero.
func (d *dice) upTo(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(d.Int64N(int64(limit)))
}
