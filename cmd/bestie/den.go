package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/halobestie/bestie-gateway/cmd/bestie/config"
)

// defaultDevDir is where dev keeps its things and token looks for them.
const defaultDevDir = ".dev"

// den is the folder of dev: the stores' data (package local), secrets that stay the same between runs so that
// tokens stay good, and a note of what is running.
type den struct{ dir string }

const (
	secretFile   = "jwt-secret"
	passwordFile = "operator-password"
	runningFile  = "running.json"
)

func openDen(dir string) (*den, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &den{dir: dir}, nil
}

// environ adds what development wants to what the environment says; the environment wins.
func (d *den) environ(given []string) ([]string, error) {
	secret, err := d.keep(secretFile, func() string { return randomHex(32) })
	if err != nil {
		return nil, err
	}
	// The rules for passwords want all three kinds of characters.
	password, err := d.keep(passwordFile, func() string { return "Bestie-" + randomHex(6) + "1" })
	if err != nil {
		return nil, err
	}
	environ := []string{
		"AUTH_JWT_SECRET=" + secret, "ALLOW_DEV_PROVIDERS=true", "ENABLE_TEST_ROUTES=true", "CC_PLAIN_COOKIE=true",
		"LOG_FORMAT=text", "LOG_LEVEL=info",
	}
	if !isSet(given, "ADMIN_EMAIL") {
		environ = append(environ, "ADMIN_EMAIL=operator@example.com")
	}
	if !isSet(given, "ADMIN_PASSWORD") {
		environ = append(environ, "ADMIN_PASSWORD="+password)
	}
	for _, line := range given {
		if _, value, _ := strings.Cut(line, "="); value != "" {
			environ = append(environ, line)
		}
	}
	return environ, nil
}

func isSet(environ []string, name string) bool {
	for _, line := range environ {
		if value, ok := strings.CutPrefix(line, name+"="); ok && value != "" {
			return true
		}
	}
	return false
}

// keep reads a file of the den, or writes it first.
func (d *den) keep(name string, fresh func() string) (string, error) {
	path := filepath.Join(d.dir, name)
	content, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	value := fresh()
	return value, os.WriteFile(path, []byte(value+"\n"), 0o600)
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// running is the note that dev leaves for commands in a second terminal.
type running struct {
	PID     int      `json:"pid"`
	Environ []string `json:"environ"`
}

// announce writes the note. It holds the secret and the stores' passwords, so only its owner may read it.
func (d *den) announce(p *program) error {
	note, err := json.MarshalIndent(running{PID: os.Getpid(), Environ: []string{
		"DATABASE_URL=" + string(p.cfg.DatabaseURL),
		"VALKEY_URL=" + string(p.cfg.ValkeyURL),
		"AUTH_JWT_SECRET=" + string(p.cfg.JWTSecret),
		"ENABLE_TEST_ROUTES=true",
	}}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir, runningFile), note, 0o600)
}

// retract removes the note.
func (d *den) retract() { _ = os.Remove(filepath.Join(d.dir, runningFile)) }

// runningDev is the environment of a dev that runs from the folder now.
func runningDev(dir string) ([]string, error) {
	note, err := os.ReadFile(filepath.Join(dir, runningFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, config.Mistakes{"DATABASE_URL is missing, and no bestie dev is running in " + dir}
	}
	if err != nil {
		return nil, err
	}
	var r running
	if err := json.Unmarshal(note, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", runningFile, err)
	}
	// The note of a dev that was killed stays behind.
	process, err := os.FindProcess(r.PID)
	if err != nil || errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return nil, config.Mistakes{"DATABASE_URL is missing, and the bestie dev of " + dir + " has ended"}
	}
	return r.Environ, nil
}
