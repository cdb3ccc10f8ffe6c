//go:build unix

package store

import "syscall"

// arena returns n bytes that are no part of Go's heap, so that the collector
// does not let as much garbage gather as they are large. They become real
// memory as they are used, and are given back with free.
func arena(n int) (b []byte, free func()) {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n), func() {}
	}
	return b, func() { _ = syscall.Munmap(b) }
}
