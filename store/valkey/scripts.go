package valkey

import (
	"context"
	"crypto/sha1"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"

	driver "github.com/valkey-io/valkey-go"
)

// Each script's file says what its KEYS and ARGV are and what it gives.
var (
	//go:embed lua/mirror.lua
	mirrorSource string
	//go:embed lua/sockets_up.lua
	socketsUpSource string
	//go:embed lua/sockets_down.lua
	socketsDownSource string
	//go:embed lua/recount.lua
	recountSource string
	//go:embed lua/candidates.lua
	candidatesSource string
	//go:embed lua/lease.lua
	leaseSource string
	//go:embed lua/finish_seed.lua
	finishSeedSource string
)

// script is a Lua script, called by its hash and sent only to a Valkey that does not know it yet.
type script struct {
	source, hash string
}

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source: source, hash: hex.EncodeToString(sum[:])}
}

// scripts are parsed once and never change.
var (
	mirrorScript      = newScript(mirrorSource)
	socketsUpScript   = newScript(socketsUpSource)
	socketsDownScript = newScript(socketsDownSource)
	recountScript     = newScript(recountSource)
	candidatesScript  = newScript(candidatesSource)
	leaseScript       = newScript(leaseSource)
	finishSeedScript  = newScript(finishSeedSource)
)

// scriptCall is one run of a script.
type scriptCall struct {
	keys, args []string
}

// run runs the script once for each call, all in one round trip, in order. The results are as many as the calls.
func (s script) run(ctx context.Context, conn driver.Client, calls ...scriptCall) []driver.ValkeyResult {
	commands := make(driver.Commands, len(calls))
	for i, call := range calls {
		commands[i] = conn.B().Evalsha().Sha1(s.hash).Numkeys(int64(len(call.keys))).Key(call.keys...).Arg(call.args...).Build()
	}
	results := conn.DoMulti(ctx, commands...)
	for i, call := range calls {
		var reply *driver.ValkeyError
		if errors.As(results[i].Error(), &reply) && reply.IsNoScript() {
			results[i] = conn.Do(ctx, conn.B().Eval().Script(s.source).Numkeys(int64(len(call.keys))).Key(call.keys...).Arg(call.args...).Build())
		}
	}
	return results
}

var errShape = errors.New("an answer of an unexpected shape")
