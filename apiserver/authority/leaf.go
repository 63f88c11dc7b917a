package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// ServerLeaf makes a key and certificate for one server, valid for the given host names and
// addresses, as a TLS server and as a client of other servers.
func (a *Authority) ServerLeaf(id string, hosts []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make the server's key: %w", err)
	}
	template := leafTemplate(id, OrganizationServer, now)
	template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := a.sign(template, key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key}, nil
}

// KubeletLeaf signs a kubelet's request. Only the public key is taken from the request: the name, and the
// enrolment that tells this machine from earlier ones of the name, are the caller's to decide.
func (a *Authority) KubeletLeaf(
	csrPEM []byte, node, enrolment string, now time.Time,
) (certificatePEM []byte, err error) {
	block, _ := pem.Decode(csrPEM)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, api.Errorf(api.CodeInvalid, "csr_pem holds no PEM block CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid, "csr_pem can't be read: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, api.Errorf(api.CodeInvalid, "csr_pem is not signed by its own key: %w", err)
	}
	template := leafTemplate(node, OrganizationKubelet, now)
	template.Subject.SerialNumber = enrolment
	der, err := a.sign(template, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func leafTemplate(name, organization string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{organization}},
		NotBefore:   now.Add(-backdate),
		NotAfter:    now.Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

func (a *Authority) sign(template *x509.Certificate, public any) (der []byte, err error) {
	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	der, err = x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

// ServerTLS is the TLS configuration of a server's listener: TLS 1.3, and client certificates of this
// authority where the client has one.
func (a *Authority) ServerTLS(leaf tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{leaf},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    a.Pool(),
		NextProtos:   []string{"http/1.1"}, // WebSockets over HTTP/2 are not what our clients speak
	}
}

// ClientTLS is the TLS configuration with which a server dials another one.
func (a *Authority) ClientTLS(leaf tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{leaf},
		RootCAs:      a.Pool(),
	}
}
