package valkey

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/core"
	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// Reflection is all that the mirror holds of one mitra.
type Reflection struct {
	Online      bool
	Deactivated bool
	Capacity    string // as it stands there
	Version     int64
	Epoch       int64     // of the live socket; 0: none
	Heartbeat   time.Time // zero: none
	Available   *float64  // score; nil: not a member
	Waiting     *float64  // likewise
}

// reflectionsPerTrip is how many mitras Reflect reads in a round trip.
const reflectionsPerTrip = 500

// Reflect reads what the mirror holds of mitras, in their order, and Valkey's clock: for tests and for people who look for a
// fault.
func (m *Mirror) Reflect(ctx context.Context, ids []core.MitraID) (all []Reflection, now time.Time, err error) {
	now = m.Now()
	for chunk := range slices.Chunk(ids, reflectionsPerTrip) {
		err = m.link.Call(ctx, "reflect", func(ctx context.Context, conn driver.Client) error {
			part, err := m.reflect(ctx, conn, chunk)
			all = append(all, part...)
			return err
		})
		if err != nil {
			return nil, now, err
		}
	}
	return all, now, nil
}

func (m *Mirror) reflect(ctx context.Context, conn driver.Client, ids []core.MitraID) ([]Reflection, error) {
	names, capacities, heartbeats := make([]string, len(ids)), make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
		capacities[i], heartbeats[i] = m.keys.capacity(names[i]), m.keys.heartbeat(names[i])
	}
	results := conn.DoMulti(ctx,
		conn.B().Smismember().Key(m.keys.online).Member(names...).Build(),
		conn.B().Smismember().Key(m.keys.deactivated).Member(names...).Build(),
		conn.B().Mget().Key(capacities...).Build(),
		conn.B().Mget().Key(heartbeats...).Build(),
		conn.B().Hmget().Key(m.keys.version).Field(names...).Build(),
		conn.B().Hmget().Key(m.keys.sockets).Field(names...).Build(),
		conn.B().Zmscore().Key(m.keys.available).Member(names...).Build(),
		conn.B().Zmscore().Key(m.keys.waiting).Member(names...).Build())
	columns := make([][]driver.ValkeyMessage, len(results))
	for i, result := range results {
		column, err := result.ToArray()
		if err != nil {
			return nil, err
		}
		if len(column) != len(ids) {
			return nil, link.ErrShape
		}
		columns[i] = column
	}
	all := make([]Reflection, len(ids))
	for i := range ids {
		text := func(column int) string {
			s, _ := columns[column][i].ToString() // nil: nothing there
			return s
		}
		number := func(column int) int64 {
			digits, _, _ := strings.Cut(text(column), " ") // of a socket, the instance follows
			n, _ := strconv.ParseInt(digits, 10, 64)
			return n
		}
		score := func(column int) *float64 {
			n, err := columns[column][i].AsFloat64()
			if err != nil {
				return nil
			}
			return &n
		}
		online, _ := columns[0][i].AsInt64()
		deactivated, _ := columns[1][i].AsInt64()
		all[i] = Reflection{
			Online: online == 1, Deactivated: deactivated == 1, Capacity: text(2), Heartbeat: parseBeat(text(3)),
			Version: number(4), Epoch: number(5), Available: score(6), Waiting: score(7),
		}
	}
	return all, nil
}
