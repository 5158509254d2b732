package link

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"

	driver "github.com/valkey-io/valkey-go"
)

// Script is a Lua script, called by its hash and sent only to a Valkey that does not know it yet.
type Script struct {
	source, hash string
}

// NewScript makes a script of its source.
func NewScript(source string) Script {
	sum := sha1.Sum([]byte(source))
	return Script{source: source, hash: hex.EncodeToString(sum[:])}
}

// ScriptCall is one run of a script. On a cluster its keys are in one slot.
type ScriptCall struct {
	Keys, Args []string
}

// Run runs the script once for each call, all in one round trip, in order. The results are as many as the calls.
func (s Script) Run(ctx context.Context, conn driver.Client, calls ...ScriptCall) []driver.ValkeyResult {
	commands := make(driver.Commands, len(calls))
	for i, call := range calls {
		commands[i] = conn.B().Evalsha().Sha1(s.hash).Numkeys(int64(len(call.Keys))).Key(call.Keys...).Arg(call.Args...).Build()
	}
	results := conn.DoMulti(ctx, commands...)
	for i, call := range calls {
		var reply *driver.ValkeyError
		if errors.As(results[i].Error(), &reply) && reply.IsNoScript() {
			results[i] = conn.Do(ctx, conn.B().Eval().Script(s.source).Numkeys(int64(len(call.Keys))).Key(call.Keys...).Arg(call.Args...).Build())
		}
	}
	return results
}
