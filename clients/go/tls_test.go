package flowtrail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowtrail/flowtrail/clients/go/internal/servertest"
)

// authority issues certificates.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, certificate, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// issue makes a certificate for a name and its key, as PEM.
func (a *authority) issue(name string) (certificate, private []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// file writes a file that a server of another user may read.
func file(t *testing.T, directory, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTLS(t *testing.T) {
	ours, directory := newAuthority(t), t.TempDir()
	certificate, key := ours.issue("history.example.com")
	server := servertest.Start(t,
		"--tls-cert", file(t, directory, "server.pem", certificate),
		"--tls-key", file(t, directory, "server.key", key),
		"--tls-client-ca", file(t, directory, "ca.pem",
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.certificate.Raw})))
	identity := func(authority *authority) []tls.Certificate {
		pair, err := tls.X509KeyPair(authority.issue("app"))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	const name = "history.example.com"

	t.Run("accepted", func(t *testing.T) {
		options, _ := options(t, server.Address())
		options.TLS = &tls.Config{RootCAs: ours.pool(), Certificates: identity(ours), ServerName: name}
		connected(t, options, "secret")
		if found := one(t, server, "select count(*) from flowstate"); found != "1" {
			t.Fatalf("%s rows", found)
		}
	})
	theirs := newAuthority(t)
	for _, refused := range []struct {
		name, logged string
		tls          *tls.Config
	}{
		{"other server name", "history.example.com", &tls.Config{RootCAs: ours.pool(), Certificates: identity(ours), ServerName: "other"}},
		{"address is no name", "127.0.0.1", &tls.Config{RootCAs: ours.pool(), Certificates: identity(ours)}},
		{"unknown authority", "unknown authority", &tls.Config{RootCAs: theirs.pool(), Certificates: identity(ours), ServerName: name}},
		{"no client certificate", "", &tls.Config{RootCAs: ours.pool(), ServerName: name}},
		{"other client certificate", "", &tls.Config{RootCAs: ours.pool(), Certificates: identity(theirs), ServerName: name}},
		{"no TLS", "", nil},
	} {
		t.Run(refused.name, func(t *testing.T) {
			options, journal := options(t, server.Address())
			options.TLS = refused.tls
			client := open(t, options)
			record(t, client, start("refused"))
			eventually(t, "it is logged that there is no connection", func() bool {
				return strings.Contains(journal.String(), "not connected")
			})
			if logged := journal.String(); !strings.Contains(logged, refused.logged) {
				t.Errorf("logged instead of %q: %s", refused.logged, logged)
			}
			if stats := client.Stats(); stats.Waiting != 1 || stats.Recorded != 1 {
				t.Errorf("%+v", stats)
			}
		})
	}
}
