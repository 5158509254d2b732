package valkey

import (
	_ "embed" // the scripts

	"github.com/halobestie/bestie-gateway/store/valkey/link"
)

// keys are the names of everything in Valkey but the bus's channels, under one prefix. Ids get into a name only as core's types, so
// no text from outside ever does.
type keys struct {
	prefix string

	online, deactivated, available, waiting, sockets, version string
	snapshot, epoch, probe, reseeded                          string
	instances                                                 string
}

func newKeys(prefix string) keys {
	return keys{
		prefix:      prefix,
		online:      prefix + "mitras:online",
		deactivated: prefix + "mitras:deactivated",
		available:   prefix + "mitras:available",
		waiting:     prefix + "mitras:waiting",
		sockets:     prefix + "mitras:sockets",
		version:     prefix + "mitras:version",
		snapshot:    prefix + "availability:snapshot",
		epoch:       prefix + "mirror:epoch",
		probe:       prefix + "mirror:probe",
		reseeded:    prefix + "mirror:reseeded",
		instances:   prefix + "instances",
	}
}

func (k *keys) capacity(id string) string  { return k.prefix + "mitra:capacity:" + id }
func (k *keys) heartbeat(id string) string { return k.prefix + "mitra:heartbeat:" + id }
func (k *keys) lease(name string) string   { return k.prefix + "lease:" + name }
func (k *keys) instance(id string) string  { return k.prefix + "instance:" + id }

// collections are the keys that hold mitra ids as members, in the order in which mirror.lua takes them.
func (k *keys) collections() []string {
	return []string{k.online, k.deactivated, k.available, k.waiting, k.sockets, k.version}
}

// Each script's file says what its KEYS and ARGV are and what it gives.
var (
	//go:embed lua/mirror.lua
	mirrorSource string
	//go:embed lua/sockets_up.lua
	socketsUpSource string
	//go:embed lua/sockets_down.lua
	socketsDownSource string
	//go:embed lua/sockets_lost.lua
	socketsLostSource string
	//go:embed lua/beat_late.lua
	beatLateSource string
	//go:embed lua/recount.lua
	recountSource string
	//go:embed lua/candidates.lua
	candidatesSource string
	//go:embed lua/lease.lua
	leaseSource string
	//go:embed lua/finish_seed.lua
	finishSeedSource string
	//go:embed lua/sound.lua
	soundSource string
	//go:embed lua/scan.lua
	scanSource string
)

// Parsed once; they never change.
var (
	mirrorScript      = link.NewScript(mirrorSource)
	socketsUpScript   = link.NewScript(socketsUpSource)
	socketsDownScript = link.NewScript(socketsDownSource)
	socketsLostScript = link.NewScript(socketsLostSource)
	beatLateScript    = link.NewScript(beatLateSource)
	recountScript     = link.NewScript(recountSource)
	candidatesScript  = link.NewScript(candidatesSource)
	leaseScript       = link.NewScript(leaseSource)
	finishSeedScript  = link.NewScript(finishSeedSource)
	soundScript       = link.NewScript(soundSource)
	scanScript        = link.NewScript(scanSource)
)
