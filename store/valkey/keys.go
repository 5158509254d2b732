package valkey

import (
	"errors"
	"fmt"
	"strings"

	"github.com/halobestie/bestie-gateway/core"
)

// keys are the names of everything in Valkey, under one prefix. Ids get into a name only as core's types, so no text from
// outside ever does.
type keys struct {
	prefix string

	online, deactivated, available, waiting, sockets, version string
	snapshot, epoch                                           string
	instances                                                 string

	channels     []string // by core.Channel
	availability string   // the channel
}

func newKeys(prefix string) keys {
	k := keys{
		prefix:      prefix,
		online:      prefix + "mitras:online",
		deactivated: prefix + "mitras:deactivated",
		available:   prefix + "mitras:available",
		waiting:     prefix + "mitras:waiting",
		sockets:     prefix + "mitras:sockets",
		version:     prefix + "mitras:version",
		snapshot:    prefix + "availability:snapshot",
		epoch:       prefix + "mirror:epoch",
		instances:   prefix + "instances",
	}
	// Without its braces the prefix is no hash tag, so that a cluster spreads the channels over its shards.
	bare := strings.NewReplacer("{", "", "}", "").Replace(prefix)
	for n := range core.EventChannels {
		k.channels = append(k.channels, fmt.Sprintf("%sevents:%d", bare, n))
	}
	k.availability = bare + "availability"
	return k
}

func (k *keys) capacity(id string) string  { return k.prefix + "mitra:capacity:" + id }
func (k *keys) heartbeat(id string) string { return k.prefix + "mitra:heartbeat:" + id }
func (k *keys) lease(name string) string   { return k.prefix + "lease:" + name }
func (k *keys) instance(id string) string  { return k.prefix + "instance:" + id }

// collections are the keys that hold mitra ids as members, in the order in which mirror.lua takes them.
func (k *keys) collections() []string {
	return []string{k.online, k.deactivated, k.available, k.waiting, k.sockets, k.version}
}

// checkClusterPrefix refuses a prefix that would spread the mirror over the slots of a cluster, where its scripts are
// not legal.
func checkClusterPrefix(prefix string) error {
	open := strings.IndexByte(prefix, '{')
	if open < 0 || strings.IndexByte(prefix[open:], '}') < 2 {
		return errors.New("valkey: on a cluster VALKEY_KEY_PREFIX needs a hash tag, such as {halo}: with its braces")
	}
	return nil
}
