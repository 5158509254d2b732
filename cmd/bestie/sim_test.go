package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// The simulator's command, against two instances, with everything compared at the end.
func TestSim_Verify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.instance(), w.instance()
	var out bytes.Buffer
	require.NoError(t, perform(t.Context(), []string{
		"sim", "--target", a.program.PublicAddr().String(), "--target", b.program.PublicAddr().String(),
		"--internal", b.program.InternalAddr().String(),
		"--mitras", "12", "--customers", "4", "--duration", "2s", "--verify", "--seed", "7",
	}, &shell{out: &out, err: &out}), out.String())
	require.Contains(t, out.String(), "seed 7")
	require.Contains(t, out.String(), "counted are the open sockets of available mitras  ")
	require.Contains(t, out.String(), "every invariant kept")
}
