package local

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// plenty is the free memory from which on tests' data lives there: containers often give /dev/shm 64 MiB, which one test
// run would fill.
const plenty = 2 << 30

// memoryFolder is a folder in memory for what tests write, or "". A database a test takes 15 ms there and twenty times
// that on a slow disk.
func memoryFolder() string {
	const shm = "/dev/shm"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(shm, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < plenty {
		return ""
	}
	return filepath.Join(shm, "bestie-"+strconv.Itoa(os.Geteuid()))
}
