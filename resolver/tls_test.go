package resolver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// certified is a certificate for 127.0.0.1, and a file with it.
func certified(t *testing.T) (own *tls.Config, trusted *x509.CertPool, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ns1.pool.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"ns1.pool.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trusted, file = x509.NewCertPool(), filepath.Join(t.TempDir(), "cert.pem")
	trusted.AppendCertsFromPEM(text)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"dot"}, MinVersion: tls.VersionTLS12,
	}, trusted, file
}

func servingTLS(t *testing.T, limits TCPLimits) (s *Server, trusted *x509.CertPool, file string) {
	t.Helper()
	own, trusted, file := certified(t)
	s = serving(t, newSample(t), Config{TLSListen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, TLS: own, TCP: limits}, "127.0.0.1:0")
	return s, trusted, file
}

// tlsAddr is where s speaks TLS.
func tlsAddr(s *Server) string { return s.tcp[len(s.tcp)-1].listener.Addr().String() }

// TestTLS: pipelined queries are answered in order, padded where that is asked
// for and there only, and the connection is closed in words.
func TestTLS(t *testing.T) {
	s, trusted, _ := servingTLS(t, TCPLimits{})
	conn, err := tls.Dial("tcp", tlsAddr(s), &tls.Config{RootCAs: trusted, NextProtos: []string{"dot"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if p := conn.ConnectionState().NegotiatedProtocol; p != "dot" {
		t.Errorf("ALPN %q", p)
	}
	padded := func(owner string) []byte {
		q := question(owner, dns.TypeAAAA)
		q.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 20)}}
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	long := longLabel + ".pool.example."
	conn.Write(framed(t, padded("pool.example."), shapes(t)["A"], padded(long), padded("gone.pool.example."), nil))
	for i, want := range []int{padTo, 0, 2 * padTo, padTo} {
		reply := readFrame(t, conn)
		var m dns.Msg
		if err := m.Unpack(reply); err != nil || want != 0 && len(reply) != want || want == 0 && len(reply)%padTo == 0 {
			t.Errorf("%d: %d octets, want %d, %v", i, len(reply), want, err)
		}
		if i == 2 && len(m.Answer) != 16 {
			t.Errorf("%d addresses", len(m.Answer))
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF { // which TLS tells from a cut
		t.Error(err)
	}
	plain := dial(t, "tcp", s)
	plain.Write(framed(t, padded("pool.example.")))
	if reply := readFrame(t, plain); len(reply) >= padTo {
		t.Errorf("padded in the clear: %d octets", len(reply))
	}
}

// TestTLSRefused: what is no handshake, or one of former versions, holds no
// place.
func TestTLSRefused(t *testing.T) {
	s, trusted, _ := servingTLS(t, TCPLimits{Transfer: 200 * time.Millisecond})
	addr := tlsAddr(s)
	if _, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	for _, sent := range [][]byte{nil, {22, 3, 1}, framed(t, shapes(t)["A"])} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write(sent)
	}
	for c := s.Counters(); c.Accepted < 4 || c.Open > 0; c = s.Counters() {
		time.Sleep(time.Millisecond)
	}
	if c := s.Counters(); c.Unread != 4 || c.TCP[Answered] != 0 {
		t.Errorf("%+v", c)
	}
}

// TestKdigTLS: Knot's client, strict about the certificate.
func TestKdigTLS(t *testing.T) {
	if _, err := exec.LookPath("kdig"); err != nil {
		t.Skip("kdig is not installed (knot-dnsutils)")
	}
	s, _, file := servingTLS(t, TCPLimits{})
	out, err := exec.Command("kdig", "@127.0.0.1", "-p", tlsAddr(s)[len("127.0.0.1:"):], "+tls", "+tls-ca="+file,
		"+tls-hostname=ns1.pool.example", "+padding", "+retry=0", "quad.pool.example", "A").CombinedOutput()
	text := string(out)
	if err != nil || strings.Count(text, "\tA\t10.16.0.") != 4 || !strings.Contains(text, "TLS session (TLS1.") || !strings.Contains(text, "Received 468 B") {
		t.Errorf("%v\n%s", err, text)
	}
}
