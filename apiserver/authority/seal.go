package authority

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coxswain-hpc/coxswain/api"
)

// clusterKeyBytes is the size of the cluster key: AES-256.
const clusterKeyBytes = 32

// seal encrypts plain under the cluster key, bound to the certificate it belongs to.
func seal(clusterKey, plain, certificate []byte) ([]byte, error) {
	aead, err := newAEAD(clusterKey)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("make a nonce: %w", err)
	}
	return aead.Seal(nonce, nonce, plain, certificate), nil
}

func unseal(clusterKey, sealed, certificate []byte) ([]byte, error) {
	aead, err := newAEAD(clusterKey)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("the sealed key is cut short")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], certificate)
	if err != nil {
		return nil, fmt.Errorf("open the sealed key: %w", err)
	}
	return plain, nil
}

func newAEAD(clusterKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(clusterKey)
	if err != nil {
		return nil, fmt.Errorf("use the cluster key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("use the cluster key: %w", err)
	}
	return aead, nil
}

// readKeyFile reads the cluster key and refuses a file that others could read.
func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, api.Errorf(api.CodeInvalid,
			"the cluster key file %s is missing; this cluster has an authority already: "+
				"copy the file from the server that was started first", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the cluster key file: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the cluster key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, api.Errorf(api.CodeInvalid,
			"the cluster key file %s has mode %04o and may be read by others; "+
				"run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	key, err := io.ReadAll(io.LimitReader(f, clusterKeyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the cluster key file: %w", err)
	}
	if len(key) != clusterKeyBytes {
		return nil, api.Errorf(api.CodeInvalid,
			"the cluster key file %s is not %d bytes long; it is no cluster key",
			path, clusterKeyBytes)
	}
	return key, nil
}

// readOrMakeKeyFile also makes the file, whole or not at all, for the cluster's first start.
func readOrMakeKeyFile(path string) ([]byte, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return readKeyFile(path)
	}
	key := make([]byte, clusterKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make the cluster key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the cluster key file: %w", err)
	}
	if err := writeNew(path, key); err != nil {
		return nil, err
	}
	return readKeyFile(path)
}

// writeNew links a finished file into place: of two servers that start at once one wins, and nobody
// ever reads half a key.
func writeNew(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".cluster-key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make the cluster key file: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // the link stays
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write the cluster key file: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put the cluster key file in place: %w", err)
	}
	return nil
}
