package valkey

import (
	"context"
	"strconv"
	"time"

	driver "github.com/valkey-io/valkey-go"

	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// InstanceTTL is how long an instance is listed after its last report; it should report three times as often.
const InstanceTTL = 15 * time.Second

// Instance is one running gateway as it reports itself.
type Instance struct {
	ID        string
	Address   string
	Version   string
	Mitras    int // sockets
	Customers int // sockets
	Since     time.Time
}

// ReportInstance lists this instance, or brings its row up to date. Its ID is the client's own.
func (c *Client) ReportInstance(ctx context.Context, i Instance) error {
	key := c.keys.instance(c.owner)
	return c.link.Call(ctx, "report instance", func(ctx context.Context, conn driver.Client) error {
		results := conn.DoMulti(ctx,
			conn.B().Hset().Key(key).FieldValue().
				FieldValue("address", i.Address).
				FieldValue("version", i.Version).
				FieldValue("mitras", strconv.Itoa(i.Mitras)).
				FieldValue("customers", strconv.Itoa(i.Customers)).
				FieldValue("since", strconv.FormatInt(i.Since.UnixMilli(), 10)).Build(),
			conn.B().Pexpire().Key(key).Milliseconds(InstanceTTL.Milliseconds()).Build(),
			conn.B().Zadd().Key(c.keys.instances).ScoreMember().ScoreMember(float64(c.Now().UnixMilli()), c.owner).Build(),
			conn.B().Zremrangebyscore().Key(c.keys.instances).Min("-inf").
				Max(strconv.FormatInt(c.Now().Add(-InstanceTTL).UnixMilli(), 10)).Build())
		for _, result := range results {
			err := result.Error()
			if link.IsWrongType(err) { // somebody else's value: the next report finds the place free
				err = conn.Do(ctx, conn.B().Del().Key(key, c.keys.instances).Build()).Error()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Instances lists who runs now.
func (c *Client) Instances(ctx context.Context) ([]Instance, error) {
	var instances []Instance
	err := c.link.Call(ctx, "instances", func(ctx context.Context, conn driver.Client) error {
		ids, err := conn.Do(ctx, conn.B().Zrange().Key(c.keys.instances).Min("0").Max("-1").Build()).AsStrSlice()
		if err != nil || len(ids) == 0 {
			return err
		}
		commands := make(driver.Commands, len(ids))
		for i, id := range ids {
			commands[i] = conn.B().Hgetall().Key(c.keys.instance(id)).Build()
		}
		for i, result := range conn.DoMulti(ctx, commands...) {
			row, err := result.AsStrMap()
			if link.IsWrongType(err) {
				continue // not ours
			}
			if err != nil {
				return err
			}
			if len(row) > 0 { // else its time is over
				instances = append(instances, readInstance(ids[i], row))
			}
		}
		return nil
	})
	return instances, err
}

// readInstance takes what cannot be read for zero: the list is only looked at.
func readInstance(id string, row map[string]string) Instance {
	mitras, _ := strconv.Atoi(row["mitras"])
	customers, _ := strconv.Atoi(row["customers"])
	since, _ := strconv.ParseInt(row["since"], 10, 64)
	return Instance{
		ID: id, Address: row["address"], Version: row["version"],
		Mitras: mitras, Customers: customers, Since: time.UnixMilli(since),
	}
}
