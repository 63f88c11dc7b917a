package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// secure is a TLS server with a certificate that signs itself, for example.com and 127.0.0.1.
func secure(t *testing.T) (server *httptest.Server, caPEM []byte, caHash string) {
	t.Helper()
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"id":42}`) //nolint:errcheck // a test's
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.StartTLS()
	t.Cleanup(server.Close)
	sum := sha256.Sum256(server.Certificate().Raw)
	caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server, caPEM, hex.EncodeToString(sum[:])
}

func otherAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestWhoIsNotTrusted: a server that can't prove who it is gets no second try, and the user hears
// what to do.
func TestWhoIsNotTrusted(t *testing.T) {
	t.Parallel()
	const unknown = api.CodeUnauthenticated
	server, caPEM, hash := secure(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for name, c := range map[string]struct {
		options client.Options
		code    api.Code
		says    string
	}{
		"by its hash":        {client.Options{Server: server.URL, CAHash: hash}, "", ""},
		"by its digits":      {client.Options{Server: server.URL, CAHash: strings.ToUpper(hash[:32])}, "", ""},
		"by its certificate": {client.Options{Server: server.URL, CAPEM: caPEM}, "", ""},
		"nothing known":      {client.Options{Server: server.URL}, unknown, "--ca-hash HASH"},
		"another hash": {
			client.Options{Server: server.URL, CAHash: strings.Repeat("0", 64)},
			unknown,
			"cox token create",
		},
		"another name by hash": {client.Options{Server: named, CAHash: hash}, unknown, "other names"},
		"no TLS": {
			client.Options{Server: strings.Replace(plain.URL, "http:", "https:", 1)}, api.CodeInvalid, "speaks no TLS",
		},
		"another certificate": {
			client.Options{Server: server.URL, CAPEM: otherAuthority(t)},
			unknown,
			"the certificate authority that was given",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var waited atomic.Bool
			c.options.Notify = func(string) { waited.Store(true) }
			cl, err := client.New(c.options)
			require.NoError(t, err)
			t.Cleanup(cl.Close)
			began := time.Now()
			_, err = cl.Job(t.Context(), 42)
			require.Equal(t, c.code, api.CodeOf(err), "%v", err)
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
			}
			require.Less(t, time.Since(began), client.RetryMax/2, "it is not tried again")
			require.False(t, waited.Load(), "nor waited for")
		})
	}
}

func TestAHashThatIsTooShort(t *testing.T) {
	t.Parallel()
	_, err := client.New(client.Options{Server: "https://x:1", CAHash: "abc"})
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	require.ErrorContains(t, err, "3 digits")
}
