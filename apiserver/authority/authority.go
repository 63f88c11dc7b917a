// Package authority is the cluster's certificate authority: it makes the certificates by which
// servers and kubelets know each other.
//
// Words. The authority's certificate is public; its key lies in the database, sealed (AES-256-GCM)
// with the cluster key, a file of 32 random bytes that the first server makes and every further
// server needs. A leaf is a certificate for one server (O=cox:server) or one kubelet (CN=node name,
// O=cox:kubelet, serialNumber=its enrolment). The fingerprint (SHA-256 of the authority's
// certificate) travels in join tokens, so that a new node knows the true cluster before it trusts
// anything.
//
// The package must never log or return the key, and takes no decision about who may get a leaf.
package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// The organisations that say what a certificate is for.
const (
	OrganizationServer  = "cox:server"
	OrganizationKubelet = "cox:kubelet"
)

const (
	// authorityLife is the life of the authority's certificate: longer than any cluster's machines.
	authorityLife = 20 * 365 * 24 * time.Hour
	// leafLife is the life of a leaf; servers make theirs at each start, kubelets renew in time.
	leafLife = 365 * 24 * time.Hour
	// backdate covers clocks that differ between machines.
	backdate = time.Hour
)

// Keeper is where the authority lies. PutAuthority stores both if nothing is stored yet, and in any
// case returns what is stored: the first writer wins. Authority fails with api.ErrNotFound at first.
type Keeper interface {
	Authority(ctx context.Context) (certificate, sealedKey []byte, err error)
	PutAuthority(ctx context.Context, certificate, sealedKey []byte, now time.Time) (storedCertificate,
		storedKey []byte, err error)
}

// Authority signs leaves. It is safe for concurrent use.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Options are what Open needs.
type Options struct {
	Keeper Keeper
	// KeyFile is the path of the cluster key file.
	KeyFile     string
	ClusterName string
	Now         time.Time
}

// Open loads the cluster's authority, or makes it, key file included, if the cluster has none yet.
func Open(ctx context.Context, o Options) (*Authority, error) {
	der, sealed, err := o.Keeper.Authority(ctx)
	if api.CodeOf(err) == api.CodeNotFound {
		der, sealed, err = create(ctx, o)
	}
	if err != nil {
		return nil, fmt.Errorf("load the cluster's authority: %w", err)
	}
	clusterKey, err := readKeyFile(o.KeyFile)
	if err != nil {
		return nil, err
	}
	return open(der, sealed, clusterKey, o.KeyFile)
}

func create(ctx context.Context, o Options) (der, sealed []byte, err error) {
	clusterKey, err := readOrMakeKeyFile(o.KeyFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the authority's key: %w", err)
	}
	if der, err = selfSign(key, o.ClusterName, o.Now); err != nil {
		return nil, nil, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the authority's key: %w", err)
	}
	if sealed, err = seal(clusterKey, plain, der); err != nil {
		return nil, nil, err
	}
	return o.Keeper.PutAuthority(ctx, der, sealed, o.Now)
}

func selfSign(key *ecdsa.PrivateKey, clusterName string, now time.Time) ([]byte, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			CommonName: "Coxswain authority of " + clusterName, Organization: []string{"cox:authority"},
		},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority's certificate: %w", err)
	}
	return der, nil
}

func open(der, sealed, clusterKey []byte, keyFile string) (*Authority, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	plain, err := unseal(clusterKey, sealed, der)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid,
			"the cluster key file %s does not open this cluster's authority; "+
				"copy the file from the server that was started first", keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, api.Errorf(api.CodeInternal, "the authority's key does not belong to its certificate")
	}
	return &Authority{certificate: certificate, key: key}, nil
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return serial, nil
}

// CertificatePEM is the authority's certificate, for those who have to trust it.
func (a *Authority) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Pool holds the authority's certificate alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Fingerprint is the first 32 hex digits of the SHA-256 of the certificate, as join tokens carry it.
func (a *Authority) Fingerprint() string { return FingerprintOf(a.certificate.Raw) }

// FingerprintOf is Fingerprint for any certificate in DER.
func FingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])[:32]
}
