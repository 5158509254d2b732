//go:build unix && !linux

package local

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attributes: no signal reaches the child here when we are killed, so the next start on its directory ends it instead.
func attributes(as *account, _ syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if as != nil {
		attr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid, Groups: []uint32{as.gid}}
	}
	return attr
}

// children lists the processes that pid has started and that still run.
func children(pid int) ([]int, error) {
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil, nil // none
	}
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var kids []int
	for _, field := range strings.Fields(string(out)) {
		kid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		kids = append(kids, kid)
	}
	return kids, nil
}
