package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/coxswain-hpc/coxswain/api"
)

// streamBytesMax bounds one message of a control stream: a template carries a script and an
// environment, and a welcome every pod of the node.
const streamBytesMax = 64 << 20

// joinTokenPrefix begins a join token: cox1.<id>.<secret>.<hash of the certificate authority>.
const joinTokenPrefix = "cox1"

// KubeletCredentials are what a node gets when it joins. The key has never left the node.
type KubeletCredentials struct {
	Node           string
	CertificatePEM []byte
	KeyPEM         []byte
	CAPEM          []byte
}

// joinRequest and joinResponse are the bodies of POST /v1/kubelets/join.
type joinRequest struct {
	Token string `json:"token"`
	CSR   string `json:"csr_pem"`
	Node  string `json:"node"`
}

type joinResponse struct {
	Certificate string `json:"certificate_pem"`
	CA          string `json:"ca_pem"`
}

// Join makes a key, and has the server at endpoint (https://host:port) sign a certificate for the
// node. It talks only to the cluster whose certificate authority the token names, so the token's
// secret never reaches anybody else.
func Join(ctx context.Context, endpoint, token, node string) (KubeletCredentials, error) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 4 || parts[0] != joinTokenPrefix || len(parts[3]) < caHashDigits {
		return KubeletCredentials{}, api.Errorf(api.CodeInvalid,
			"this is no join token; make one on a server with `cox token create --join` and pass it whole")
	}
	c, err := New(Options{Server: endpoint, CAHash: parts[3], UserAgent: "cox-kubelet"})
	if err != nil {
		return KubeletCredentials{}, err
	}
	defer c.Close()
	keyPEM, csrPEM, err := newCSR(node)
	if err != nil {
		return KubeletCredentials{}, err
	}
	var out joinResponse
	err = c.do(ctx, request{
		method: http.MethodPost, path: "/v1/kubelets/join",
		in: joinRequest{Token: strings.TrimSpace(token), CSR: string(csrPEM), Node: node}, out: &out,
	})
	if err != nil {
		return KubeletCredentials{}, err
	}
	return KubeletCredentials{
		Node: node, CertificatePEM: []byte(out.Certificate), KeyPEM: keyPEM, CAPEM: []byte(out.CA),
	}, nil
}

func newCSR(node string) (keyPEM, csrPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, api.Errorf(api.CodeInternal, "make a key for node %s: %w", node, err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, api.Errorf(api.CodeInternal, "encode the key of node %s: %w", node, err)
	}
	subject := pkix.Name{CommonName: node, Organization: []string{"cox:kubelet"}}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		return nil, nil, api.Errorf(api.CodeInternal, "make a certificate request for node %s: %w", node, err)
	}
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	csrPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})
	return keyPEM, csrPEM, nil
}

// Kubelet dials a server as a node.
type Kubelet struct{ c *Client }

// NewKubelet returns a dialer for one server (https://host:port). It makes no connection yet.
func NewKubelet(endpoint string, credentials KubeletCredentials) (*Kubelet, error) {
	certificate, err := tls.X509KeyPair(credentials.CertificatePEM, credentials.KeyPEM)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid,
			"the certificate of node %s and its key don't fit: %w", credentials.Node, err)
	}
	options := Options{Server: endpoint, CAPEM: credentials.CAPEM, RetryFor: -1, UserAgent: "cox-kubelet"}
	c, err := New(options)
	if err != nil {
		return nil, err
	}
	config, err := tlsConfig(options)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{certificate}
	c.http = &http.Client{Transport: tlsTransport(config)}
	return &Kubelet{c: c}, nil
}

// Close drops idle connections.
func (k *Kubelet) Close() { k.c.Close() }

// KubeletStream is a control stream. Send and Receive may be used by one goroutine each at the same
// time.
type KubeletStream struct{ conn *websocket.Conn }

// Stream opens the control stream. It tries once: how to try again is the kubelet's affair.
func (k *Kubelet) Stream(ctx context.Context) (*KubeletStream, error) {
	s, err := k.c.dial(ctx, "/v1/kubelets/stream", nil)
	if err != nil {
		return nil, err
	}
	s.conn.SetReadLimit(streamBytesMax)
	return &KubeletStream{conn: s.conn}, nil
}

// Send writes one message.
func (s *KubeletStream) Send(ctx context.Context, message api.KubeletMessage) error {
	data, err := json.Marshal(message)
	if err != nil {
		return api.Errorf(api.CodeInternal, "encode a message of the control stream: %w", err)
	}
	if err := s.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return api.Errorf(api.CodeUnavailable, "the control stream broke off: %w", err)
	}
	return nil
}

// Receive reads one message. Fields that this version doesn't know are ignored.
func (s *KubeletStream) Receive(ctx context.Context) (api.ServerMessage, error) {
	var message api.ServerMessage
	_, data, err := s.conn.Read(ctx)
	if err != nil {
		return message, api.Errorf(api.CodeUnavailable, "the control stream broke off: %w", err)
	}
	if err := json.Unmarshal(data, &message); err != nil {
		return message, api.Errorf(api.CodeInternal, "decode a message of the control stream: %w", err)
	}
	return message, nil
}

// Close ends the stream without waiting for the other side.
func (s *KubeletStream) Close() { s.conn.CloseNow() } //nolint:errcheck // it ends either way

// Renew has the server sign a new key of the node, for which the old certificate vouches.
func (k *Kubelet) Renew(ctx context.Context, node string) (KubeletCredentials, error) {
	keyPEM, csrPEM, err := newCSR(node)
	if err != nil {
		return KubeletCredentials{}, err
	}
	var out joinResponse
	err = k.c.do(ctx, request{
		method: http.MethodPost, path: "/v1/kubelets/renew", in: map[string]string{"csr_pem": string(csrPEM)},
		out: &out,
	})
	if err != nil {
		return KubeletCredentials{}, err
	}
	return KubeletCredentials{
		Node: node, CertificatePEM: []byte(out.Certificate), KeyPEM: keyPEM, CAPEM: []byte(out.CA),
	}, nil
}

// Validity says from when to when the certificate is good.
func (c KubeletCredentials) Validity() (from, to time.Time, err error) {
	block, _ := pem.Decode(c.CertificatePEM)
	if block == nil {
		return from, to, api.Errorf(api.CodeInvalid, "the certificate of node %s is no PEM certificate", c.Node)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return from, to, api.Errorf(api.CodeInvalid, "the certificate of node %s can't be read: %w", c.Node, err)
	}
	return certificate.NotBefore, certificate.NotAfter, nil
}

// Session dials the session that the server asked for.
func (k *Kubelet) Session(ctx context.Context, id string) (*Session, error) {
	return k.c.dial(ctx, "/v1/kubelets/sessions/"+url.PathEscape(id), nil)
}

// Finish ends the session in order: it returns when the other side has all that was sent and closed
// too, or after some seconds. Contexts of calls that still run must not end before it returns.
func (s *Session) Finish() {
	s.conn.Close(websocket.StatusNormalClosure, "") //nolint:errcheck // it ends either way
}
