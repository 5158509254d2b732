package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The files of a place. What the server itself writes is in dataName, owned by the account that it runs as.
const (
	dataName     = "data"
	logName      = "log"
	passwordName = "password"
	pidName      = "pid"
	ownerName    = "owner.lock"    // held by the Go process that runs the server
	childrenName = "children.lock" // held by the server's processes, all of them

	standInPrefix = "dev-"       // of a stand-in's folder under the cache
	standsForName = "stands-for" // in it: the folder that it stands in for
)

// orphanPatience is how long a server whose owner died may take to follow it by itself.
const orphanPatience = 2 * time.Second

// place is the folder of one server.
type place struct {
	dir      string
	as       *account
	keep     bool
	owner    *os.File
	password string
}

func (p *place) file(name string) string { return filepath.Join(p.dir, name) }

// claim takes the folder in which name's server runs, making it when it is not there, and ends what an earlier process
// may have left running in it.
func claim(ctx context.Context, o Options, name string) (*place, error) {
	p := &place{keep: o.Durable, as: childAccount(filepath.Join(o.Dir, name, dataName))}
	release, err := p.choose(ctx, o, name)
	if err != nil {
		return nil, err
	}
	defer release()

	p.owner, err = tryLock(p.file(ownerName))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("%s is in use by another bestie: stop it, or give it other stores by DATABASE_URL and VALKEY_URL", p.dir)
	}
	if err != nil {
		return nil, err
	}
	if err := p.prepare(ctx); err != nil {
		p.owner.Close()
		return nil, err
	}
	return p, nil
}

// choose sets p.dir. Folders of tests lie beside each other; a test that was killed could not remove its own, so the next
// one does. The returned release ends the lock under which that happens: nobody may sweep what is not claimed yet.
func (p *place) choose(ctx context.Context, o Options, name string) (release func(), err error) {
	if o.Dir != "" {
		p.dir, err = p.fixed(ctx, o, name)
		return func() {}, err
	}
	cache, err := cacheDir(p.as)
	if err != nil {
		return nil, err
	}
	run := memoryFolder()
	if run == "" || ownFolder(run, p.as) != nil {
		run = filepath.Join(cache, "run")
		if err := ownFolder(run, p.as); err != nil {
			return nil, err
		}
	}
	lock, err := waitLock(ctx, filepath.Join(cache, "run.lock"), nil)
	if err != nil {
		return nil, err
	}
	sweep(ctx, run)
	p.dir, err = os.MkdirTemp(run, name+"-"+strconv.Itoa(os.Getpid())+"-")
	if err == nil {
		err = os.Chmod(p.dir, 0o711)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return func() { lock.Close() }, nil
}

// fixed is dir/name, or its stand-in under the cache when the children cannot live there.
func (p *place) fixed(ctx context.Context, o Options, name string) (string, error) {
	abs, err := filepath.Abs(o.Dir)
	if err != nil {
		return "", err
	}
	wanted := filepath.Join(abs, name)
	reason := livableFolder(wanted, p.as)
	if reason == nil {
		return wanted, nil
	}
	cache, err := cacheDir(p.as)
	if err != nil {
		return "", err
	}
	sweepStandIns(ctx, cache)
	home := filepath.Join(cache, standInPrefix+shortSum(abs))
	if err := ownFolder(home, p.as); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(home, standsForName), []byte(abs), 0o600); err != nil {
		return "", err
	}
	stead := filepath.Join(home, name)
	o.say("%s: its data is in %s, because %v", name, stead, reason)
	return stead, ownFolder(stead, p.as)
}

// shortSum tells folders apart by their paths, in a few letters.
func shortSum(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:4])
}

// prepare needs the owner's lock. It reads or makes the password and ends orphans.
func (p *place) prepare(ctx context.Context) error {
	if err := endOrphans(ctx, p.dir); err != nil {
		return err
	}
	if old, err := os.ReadFile(p.file(passwordName)); err == nil && len(old) > 0 {
		p.password = strings.TrimSpace(string(old))
		return nil
	}
	p.password = rand.Text()
	if err := os.WriteFile(p.file(passwordName), []byte(p.password+"\n"), 0o600); err != nil {
		return err
	}
	return p.as.own(p.file(passwordName)) // initdb reads it
}

// makeData makes an empty folder for the server to write to.
func (p *place) makeData(name string) (string, error) {
	dir := p.file(name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, p.as.own(dir)
}

// release gives the place back; without keep nothing of it stays.
func (p *place) release() {
	if p.owner == nil {
		return
	}
	if !p.keep {
		os.RemoveAll(p.dir) // what stays is swept by the next one
	}
	p.owner.Close()
	p.owner = nil
}

// sweep removes the folders below dir whose owners are gone. It is a courtesy: what it cannot remove stays.
func sweep(ctx context.Context, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		place := filepath.Join(dir, entry.Name())
		owner, err := tryLock(filepath.Join(place, ownerName))
		if err != nil {
			continue
		}
		if endOrphans(ctx, place) == nil {
			os.RemoveAll(place)
		}
		owner.Close()
	}
}

// sweepStandIns removes those whose place in the world is gone, such as a deleted working copy.
func sweepStandIns(ctx context.Context, cache string) {
	for _, home := range folders(filepath.Join(cache, standInPrefix+"*")) {
		standsFor, err := os.ReadFile(filepath.Join(home, standsForName))
		if err != nil {
			continue
		}
		// Not the folder itself: it may never have come to be.
		if _, err := os.Stat(filepath.Dir(string(standsFor))); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		sweep(ctx, home)
		if left, err := filepath.Glob(filepath.Join(home, "*", ownerName)); err == nil && len(left) == 0 {
			os.RemoveAll(home)
		}
	}
}

// endOrphans ends a server that outlived its owner and returns when none of its processes is left. The caller holds the
// owner's lock.
func endOrphans(ctx context.Context, dir string) error {
	path := filepath.Join(dir, childrenName)
	patience, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	children, err := waitLock(patience, path, nil)
	if err == nil {
		return children.Close()
	}
	if !errors.Is(err, errLocked) || ctx.Err() != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, pidName))
	if err != nil {
		return fmt.Errorf("a server runs in %s that nobody owns: %w", dir, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("a server runs in %s that nobody owns: %w", dir, err)
	}
	if err := signalTree(pid, syscall.SIGKILL); err != nil {
		return err
	}
	children, err = waitLock(ctx, path, nil)
	if err != nil {
		return err
	}
	return children.Close()
}
