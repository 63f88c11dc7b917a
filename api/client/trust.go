package client

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

func tlsConfig(o Options) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	switch {
	case len(o.CAPEM) > 0:
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(o.CAPEM) {
			return nil, api.Errorf(api.CodeInvalid,
				"the certificate authority of %s is no PEM certificate", o.Server)
		}
	case o.CAHash != "":
		if len(o.CAHash) < caHashDigits {
			return nil, api.Errorf(api.CodeInvalid,
				"the hash of the certificate authority of %s has %d digits; it needs %d at least", o.Server,
				len(o.CAHash), caHashDigits)
		}
		pinAuthority(config, o.CAHash)
	}
	return config, nil
}

// pinAuthority accepts exactly the chains that end in the authority with that hash: the chain that
// the server presents must contain it and verify against it.
func pinAuthority(config *tls.Config, hash string) {
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		return verifyPinned(state, strings.ToLower(hash))
	}
}

// caHashDigits is how much of the hash a pin must give at least: 128 bits.
const caHashDigits = 32

// errOtherAuthority: the server is of another cluster than the one whose hash we were given.
var errOtherAuthority = errors.New("its certificate authority is not the one with the given hash")

func verifyPinned(state tls.ConnectionState, hash string) error {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	found := false
	for _, cert := range state.PeerCertificates {
		sum := sha256.Sum256(cert.Raw)
		if strings.HasPrefix(hex.EncodeToString(sum[:]), hash) {
			roots.AddCert(cert)
			found = true
			continue
		}
		intermediates.AddCert(cert)
	}
	if !found {
		return errOtherAuthority
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, DNSName: state.ServerName,
	})
	return err
}

// distrust says in the user's words why what answers is not taken for the cluster's server; nil if the
// error is another. Its codes are none that is repeated: the next answer would be the same.
func (c *Client) distrust(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var reason string
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return api.Errorf(api.CodeInvalid,
			"what answers at %s speaks no TLS; is this the address of a cox server?", c.server)
	case errors.Is(err, errOtherAuthority):
		reason = "its certificate authority has another hash than the one given; the hash is mistyped or of " +
			"another cluster, or somebody else answers there (`cox token create` prints the hash on a machine " +
			"of the cluster)"
	case errors.As(err, &unknown) && c.trusts != "":
		reason = "its certificate is not signed by " + c.trusts
	case errors.As(err, &unknown):
		reason = "its certificate is signed by an authority that this machine does not know; give the " +
			"cluster's with `cox context set NAME --server " + c.server + " --ca-hash HASH`, or in COX_CA_HASH " +
			"(`cox token create` prints the hash, and the whole command, on a machine of the cluster)"
	case errors.As(err, &name):
		reason = fmt.Sprintf("its certificate is for other names (%s); use one of them, or start the server "+
			"with --url", strings.TrimPrefix(name.Error(), "x509: "))
	case errors.As(err, &invalid):
		reason = fmt.Sprintf("its certificate is not good (%s); are the clocks of both machines right?",
			strings.TrimPrefix(invalid.Error(), "x509: "))
	default:
		return nil
	}
	message := c.server + " is not trusted: " + reason
	return &api.Error{Code: api.CodeUnauthenticated, Message: message, Cause: err}
}
