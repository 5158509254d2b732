package local

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes has the kernel send orphan to the child when the thread that started it dies, kill -9 of us included. A
// process group of its own keeps the terminal's Ctrl-C from the child: we stop it, in our order.
func attributes(as *account, orphan syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: orphan, Setpgid: true}
	if as != nil {
		attr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid, Groups: []uint32{as.gid}}
	}
	return attr
}

// children lists the processes that pid has started and that still run.
func children(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var kids []int
	for _, entry := range entries {
		kid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if parentOf(kid) == pid {
			kids = append(kids, kid)
		}
	}
	return kids, nil
}

// parentOf reads the second field after the program's name, which stands in parentheses and may hold anything.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0 // gone meanwhile
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return parent
}
