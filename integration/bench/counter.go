package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Counter is a number in a file that two processes map: what the backend has
// received, for the client to read when its window begins and ends.
type Counter struct{ n *atomic.Uint64 }

const counterSize = 4096

func makeCounter(path string) error {
	return os.WriteFile(path, make([]byte, counterSize), 0o600)
}

func openCounter(path string) (Counter, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return Counter{}, err
	}
	defer f.Close()
	m, err := syscall.Mmap(int(f.Fd()), 0, counterSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return Counter{}, fmt.Errorf("map %s: %w", path, err)
	}
	return Counter{(*atomic.Uint64)(unsafe.Pointer(&m[0]))}, nil
}
