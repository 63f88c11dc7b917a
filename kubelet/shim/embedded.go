package shim

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed bin
var embedded embed.FS

// ErrNotEmbedded means that this build of cox has no cox-shim inside.
var ErrNotEmbedded = errors.New("this build of cox has no cox-shim inside; build it with: make build")

const (
	embeddedPath = "bin/cox-shim"
	binaryMode   = 0o755
	hashBytes    = 8 // of the name; two releases of one node differ in far less
)

// Install writes the embedded cox-shim to dir under a name with its hash and returns the path. An
// upgrade so never touches the program of running pods, and a file that is there is used again.
func Install(dir string) (string, error) {
	program, err := embedded.ReadFile(embeddedPath)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNotEmbedded
	}
	if err != nil {
		return "", err
	}
	return install(dir, program)
}

func install(dir string, program []byte) (string, error) {
	sum := sha256.Sum256(program)
	path := filepath.Join(dir, "cox-shim-"+hex.EncodeToString(sum[:hashBytes]))
	if same(path, sum) {
		return path, nil
	}
	f, err := os.CreateTemp(dir, "cox-shim-*.tmp")
	if err != nil {
		return "", fmt.Errorf("install cox-shim: %w", err)
	}
	_, err = f.Write(program)
	err = errors.Join(err, f.Chmod(binaryMode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return "", fmt.Errorf("install cox-shim: %w", errors.Join(err, removeIfExists(f.Name())))
	}
	return path, nil
}

// same compares content, since a file of the right name may be a damaged one.
func same(path string, sum [sha256.Size]byte) bool {
	data, err := os.ReadFile(path)
	return err == nil && sha256.Sum256(data) == sum
}

func removeIfExists(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
