package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// cluster is a certificate authority with a server that signs for it.
type cluster struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	server *httptest.Server
	joined int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var err error
	c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cox"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	c.cert = c.sign(template, template, &c.key.PublicKey)
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf := c.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, c.cert, &serverKey.PublicKey)
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	c.server = httptest.NewUnstartedServer(c.routes())
	c.server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, c.cert.Raw}, PrivateKey: serverKey}},
	}
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	return c
}

func (c *cluster) sign(template, parent *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	c.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, c.key)
	require.NoError(c.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(c.t, err)
	return cert
}

func (c *cluster) token() string {
	sum := sha256.Sum256(c.cert.Raw)
	return "cox1.id.secret." + hex.EncodeToString(sum[:])[:32]
}

func (c *cluster) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/kubelets/join", func(w http.ResponseWriter, r *http.Request) {
		c.joined++
		var in struct {
			Token string `json:"token"`
			CSR   string `json:"csr_pem"`
			Node  string `json:"node"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Token != c.token() {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		c.answer(w, in.CSR, in.Node)
	})
	mux.HandleFunc("POST /v1/kubelets/renew", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			CSR string `json:"csr_pem"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "bad", http.StatusUnauthorized)
			return
		}
		c.answer(w, in.CSR, r.TLS.PeerCertificates[0].Subject.CommonName)
	})
	mux.HandleFunc("GET /v1/kubelets/stream", func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.VerifiedChains) == 0 {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow() //nolint:errcheck // a test
		_, hello, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var m api.KubeletMessage
		_ = json.Unmarshal(hello, &m) // the test sees the answer
		answer := `{"welcome":{"protocol":1,"epoch":"` + r.TLS.PeerCertificates[0].Subject.CommonName + `"},"later":1}`
		_ = conn.Write(r.Context(), websocket.MessageText, []byte(answer))
		_, _, _ = conn.Read(r.Context()) // until the client closes
	})
	return mux
}

func (c *cluster) answer(w http.ResponseWriter, csrPEM, node string) {
	block, _ := pem.Decode([]byte(csrPEM))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil || csr.Subject.CommonName != node {
		http.Error(w, "bad", http.StatusBadRequest)
		return
	}
	key, _ := csr.PublicKey.(*ecdsa.PublicKey)
	cert := c.sign(&x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: csr.Subject, NotBefore: c.cert.NotBefore, NotAfter: c.cert.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, c.cert, key)
	encode := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	_ = json.NewEncoder(w).Encode(map[string]string{ // the test sees what arrives
		"certificate_pem": encode(cert.Raw), "ca_pem": encode(c.cert.Raw),
	})
}

func TestJoinThenStream(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	credentials, err := client.Join(t.Context(), c.server.URL, c.token()+"\n", "n1")
	require.NoError(t, err)
	from, to, err := credentials.Validity()
	require.NoError(t, err)
	require.True(t, from.Before(to))

	k, err := client.NewKubelet(c.server.URL, credentials)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	requireWelcome(t, k)

	fresh, err := k.Renew(t.Context(), "n1")
	require.NoError(t, err)
	require.NotEqual(t, credentials.KeyPEM, fresh.KeyPEM)
	k, err = client.NewKubelet(c.server.URL, fresh)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	requireWelcome(t, k)
}

func requireWelcome(t *testing.T, k *client.Kubelet) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := k.Stream(ctx)
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Send(ctx, api.KubeletMessage{Hello: &api.KubeletHello{Protocol: 1, Node: "n1"}}))
	m, err := s.Receive(ctx)
	require.NoError(t, err, "a field of a newer server is ignored")
	require.Equal(t, "n1", m.Welcome.Epoch, "the server saw the node's certificate")
}

func TestJoinTellsItsTokenOnlyToTheClusterThatTheTokenNames(t *testing.T) {
	t.Parallel()
	theirs, ours := newCluster(t), newCluster(t)
	_, err := client.Join(t.Context(), theirs.server.URL, ours.token(), "n1")
	require.ErrorContains(t, err, "certificate authority has another hash")
	require.Zero(t, theirs.joined, "the token never left")

	for _, bad := range []string{"", "cox_1_x", "cox1.a.b.short", "cox1.a.b"} {
		_, err := client.Join(t.Context(), ours.server.URL, bad, "n1")
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), bad)
	}
}
