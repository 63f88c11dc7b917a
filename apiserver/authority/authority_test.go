package authority_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authority"
)

// keeper is the memory form of the store's one row.
type keeper struct{ certificate, sealed []byte }

func (k *keeper) Authority(context.Context) ([]byte, []byte, error) {
	if k.certificate == nil {
		return nil, nil, api.ErrNotFound
	}
	return k.certificate, k.sealed, nil
}

func (k *keeper) PutAuthority(_ context.Context, certificate, sealed []byte, _ time.Time) ([]byte, []byte, error) {
	if k.certificate == nil {
		k.certificate, k.sealed = certificate, sealed
	}
	return k.certificate, k.sealed, nil
}

var now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func open(k *keeper, file string) (*authority.Authority, error) {
	return authority.Open(context.Background(),
		authority.Options{Keeper: k, KeyFile: file, ClusterName: "test", Now: now})
}

func TestFirstStartMakesLaterStartsOpen(t *testing.T) {
	t.Parallel()
	k, file := &keeper{}, filepath.Join(t.TempDir(), "pki", "cluster.key")
	first, err := open(k, file)
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(t, int64(32), info.Size())
	second, err := open(k, file)
	require.NoError(t, err)
	require.Equal(t, first.Fingerprint(), second.Fingerprint())
	require.Len(t, first.Fingerprint(), 32)
}

func TestKeyFileThatDoesNotFit(t *testing.T) {
	t.Parallel()
	k, dir := &keeper{}, t.TempDir()
	file := filepath.Join(dir, "cluster.key")
	_, err := open(k, file)
	require.NoError(t, err)

	_, err = open(k, filepath.Join(dir, "absent.key"))
	require.ErrorContains(t, err, "copy the file from the server that was started first")
	require.NoFileExists(t, filepath.Join(dir, "absent.key"), "a second server never makes a key of its own")

	other := filepath.Join(dir, "other.key")
	require.NoError(t, os.WriteFile(other, bytes.Repeat([]byte{7}, 32), 0o600))
	_, err = open(k, other)
	require.ErrorContains(t, err, "does not open this cluster's authority")

	require.NoError(t, os.WriteFile(other, []byte("short"), 0o600))
	_, err = open(k, other)
	require.ErrorContains(t, err, "not 32 bytes")

	require.NoError(t, os.Chmod(file, 0o640))
	_, err = open(k, file)
	require.ErrorContains(t, err, "chmod 600")
}

func TestLeavesVerify(t *testing.T) {
	t.Parallel()
	a, err := open(&keeper{}, filepath.Join(t.TempDir(), "cluster.key"))
	require.NoError(t, err)
	leaf, err := a.ServerLeaf("s1", []string{"localhost", "127.0.0.1"}, now)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(leaf.Certificate[0])
	require.NoError(t, err)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		_, err = certificate.Verify(x509.VerifyOptions{DNSName: host, Roots: a.Pool(), CurrentTime: now})
		require.NoError(t, err)
	}
	require.Equal(t, []string{authority.OrganizationServer}, certificate.Subject.Organization)
}

func TestKubeletLeafTakesOnlyTheKey(t *testing.T) {
	t.Parallel()
	a, err := open(&keeper{}, filepath.Join(t.TempDir(), "cluster.key"))
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "root", Organization: []string{authority.OrganizationServer}},
	}, key)
	require.NoError(t, err)
	csr := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})

	out, err := a.KubeletLeaf(csr, "n1", "e1", now)
	require.NoError(t, err)
	block, _ := pem.Decode(out)
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.Equal(t, "n1", certificate.Subject.CommonName)
	require.Equal(t, []string{authority.OrganizationKubelet}, certificate.Subject.Organization)
	_, err = certificate.Verify(x509.VerifyOptions{
		Roots: a.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	require.NoError(t, err)
	_, err = certificate.Verify(x509.VerifyOptions{Roots: a.Pool(), CurrentTime: now.AddDate(2, 0, 0)})
	require.Error(t, err, "leaves end")

	for _, bad := range []string{"", "x", string(a.CertificatePEM())} {
		_, err = a.KubeletLeaf([]byte(bad), "n1", "e1", now)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	}
}
