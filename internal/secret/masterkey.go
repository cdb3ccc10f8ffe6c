package secret

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// KeySize is the size of a master key in bytes.
const KeySize = 32

// A KeyFileError says why a master key file cannot be used.
type KeyFileError struct {
	Path   string
	Reason string // what was found, and what to do
	Err    error  // the cause, if there is one
}

// Error names the file, what was found and what to do.
func (e *KeyFileError) Error() string { return "master key " + e.Path + ": " + e.Reason }

// Unwrap returns the cause.
func (e *KeyFileError) Unwrap() error { return e.Err }

// LoadOrCreateMasterKey returns the 32 bytes of the file at path. When there
// is no such file it is created with fresh random bytes, readable by its owner
// alone and on disk before the key is returned: a key that sealed something
// and was then lost would lose that secret with it. A file that others may
// read, or of another size, is refused with a [*KeyFileError].
func LoadOrCreateMasterKey(path string) ([]byte, error) {
	key, err := loadMasterKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key, err = createMasterKey(path)
	if errors.Is(err, fs.ErrExist) {
		// Another process was faster; its key is the one.
		return loadMasterKey(path)
	}
	return key, err
}

func loadMasterKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &KeyFileError{path, fmt.Sprintf("cannot be opened (%v)", cause(err)), err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &KeyFileError{path, fmt.Sprintf("cannot be examined (%v)", cause(err)), err}
	}
	if !info.Mode().IsRegular() {
		return nil, &KeyFileError{Path: path, Reason: "is not a regular file; name the file that holds the 32 bytes of the key"}
	}
	// Windows has no such bits; there the folder's access list protects the file.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, &KeyFileError{Path: path, Reason: fmt.Sprintf("others than its owner have access to it (mode %04o); run: chmod 600 %s", mode, path)}
	}
	if info.Size() != KeySize {
		return nil, &KeyFileError{Path: path, Reason: fmt.Sprintf("has %d bytes, a key has %d; restore it from a backup, because without it the stored API keys cannot be read", info.Size(), KeySize)}
	}
	key := make([]byte, KeySize)
	if _, err := io.ReadFull(f, key); err != nil {
		return nil, &KeyFileError{path, "cannot be read whole", err}
	}
	return key, nil
}

// createMasterKey writes the key under another name first, so that no one ever
// sees, and no crash leaves behind, a file with half a key.
func createMasterKey(path string) (key []byte, err error) {
	fail := func(err error) ([]byte, error) {
		return nil, &KeyFileError{path, fmt.Sprintf("cannot be created (%v)", cause(err)), err}
	}
	key = make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead

	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".master-key-*") // mode 0600
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fail(err)
	}
	// A link, unlike a rename, fails when the name is taken.
	if err := os.Link(f.Name(), path); err != nil {
		return fail(err)
	}
	if err := syncDir(dir); err != nil {
		return fail(err)
	}
	return key, nil
}

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// cause strips the operation and the path, which the message names already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}
