//go:build !unix

package store

// arena returns n bytes; free gives them back.
func arena(n int) (b []byte, free func()) { return make([]byte, n), func() {} }
