//go:build !linux

package local

// memoryFolder is a folder in memory for what tests write, or "" where there is none to be had.
func memoryFolder() string { return "" }
