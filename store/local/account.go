package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the children run as. Nil stands for ourselves.
type account struct{ uid, gid uint32 }

// childAccount is nil for an ordinary user. Postgres refuses root, so under root it is the owner of the data when there is
// some from before, else nobody.
func childAccount(data string) *account {
	if os.Geteuid() != 0 {
		return nil
	}
	if info, err := os.Stat(data); err == nil {
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 0 {
			return &account{owner.Uid, owner.Gid}
		}
	}
	return nobody()
}

// nobody is the account that owns nothing; 65534 is its number wherever it has no name.
func nobody() *account {
	anonymous := &account{65534, 65534}
	entry, err := user.Lookup("nobody")
	if err != nil {
		return anonymous
	}
	uid, err := strconv.ParseUint(entry.Uid, 10, 32)
	if err != nil {
		return anonymous
	}
	gid, err := strconv.ParseUint(entry.Gid, 10, 32)
	if err != nil {
		return anonymous
	}
	return &account{uint32(uid), uint32(gid)}
}

// own gives path to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// reaches tells why the account cannot walk to path, which must exist: nil when it can. Symbolic links are followed.
func (a *account) reaches(path string) error {
	if a == nil {
		return nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.enters(info) {
			return fmt.Errorf("%s is closed to user %d", dir, a.uid)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a *account) enters(dir fs.FileInfo) bool {
	owner := dir.Sys().(*syscall.Stat_t)
	switch {
	case owner.Uid == a.uid:
		return dir.Mode()&0o100 != 0
	case owner.Gid == a.gid:
		return dir.Mode()&0o010 != 0
	default:
		return dir.Mode()&0o001 != 0
	}
}

// cacheDir is the folder that everything of ours shares: fetched packages, the tests' data. It is the user's cache, or, when
// there is none, it is not writable or the children cannot reach it, a folder in the machine's temporary space.
func cacheDir(children *account) (string, error) {
	mine := "bestie-" + strconv.Itoa(os.Geteuid())
	candidates := []string{filepath.Join("/var/tmp", mine), filepath.Join(os.TempDir(), mine)}
	if dir, err := os.UserCacheDir(); err == nil {
		candidates = append([]string{filepath.Join(dir, "bestie")}, candidates...)
	}
	var refused error
	for _, dir := range candidates {
		err := ownFolder(dir, children)
		if err == nil {
			return dir, nil
		}
		refused = errors.Join(refused, err)
	}
	return "", fmt.Errorf("no folder to keep servers in: %w", refused)
}

// ownFolder is livableFolder for the temporary space, where anybody could have made dir before us: it must be ours alone to
// write to.
func ownFolder(dir string, children *account) error {
	if err := livableFolder(dir, children); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || int(owner.Uid) != os.Geteuid() || info.Mode()&0o022 != 0 {
		return fmt.Errorf("%s is not ours alone", dir)
	}
	return nil
}

// livableFolder makes dir and tells why we cannot write to it or the children cannot walk through it: nil when they can.
func livableFolder(dir string, children *account) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	probe.Close()
	defer os.Remove(probe.Name())
	return children.reaches(probe.Name())
}
