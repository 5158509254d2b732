package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// nodeCommand runs ws on Node.js; the first time, npm fetches it.
func nodeCommand(addr string) (*exec.Cmd, error) {
	dir, err := filepath.Abs("node")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "ws")); err != nil {
		install := exec.Command("npm", "install", "--no-package-lock", "--no-audit", "--no-fund")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("npm install: %w\n%s", err, out)
		}
	}
	return exec.Command("node", "--expose-gc", filepath.Join(dir, "server.mjs"), addr), nil
}
