package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate for 127.0.0.1 with that serial number.
func certify(t *testing.T, files TLSConfig, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, files.Cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	writeFile(t, files.Key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Both listeners offer the certificate that is in force: a new one once it was
// read, and the former while files do not fit.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	files := TLSConfig{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	c := defaultConfig()
	c.Data, c.Socket = dir, filepath.Join(dir, "s")
	c.Registry = writeFile(t, filepath.Join(dir, "pool.yaml"), "zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}\nmembers: [{name: a, addresses: [10.16.0.1]}]\n")
	c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(freePort(t))}
	c.DNS.TLS = DNSTLSConfig{[]netip.AddrPort{netip.MustParseAddrPort(freePort(t))}, files.Cert, files.Key}
	c.HTTP.Listen, c.HTTP.TLS = netip.MustParseAddrPort("127.0.0.1:0"), files
	for _, text := range []string{"", "half written"} {
		if text != "" {
			writeFile(t, files.Cert, text)
		}
		_, err := c.read(inputs{})
		for _, want := range []string{"dns.tls: certificate " + files.Cert, "http.tls: certificate " + files.Cert, files.Key} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("a certificate of %q: %v, want %s", text, err, want)
			}
		}
	}
	certify(t, files, 1)
	n := running(t, c, true)
	offered := func(want int64) {
		t.Helper()
		for protocol, at := range map[string]string{"dot": c.DNS.TLS.Listen[0].String(), "http/1.1": n.httpListener.Addr().String()} {
			conn, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
			if err != nil {
				t.Fatal(err)
			}
			is := conn.ConnectionState()
			conn.Close()
			if got := is.PeerCertificates[0].SerialNumber.Int64(); got != want || is.NegotiatedProtocol != protocol {
				t.Errorf("%s: serial %d of %q, want %d", protocol, got, is.NegotiatedProtocol, want)
			}
		}
	}
	reload := func() (r Reload) {
		n.inLoop(t.Context(), func() { r = n.reload(false) })
		return r
	}
	offered(1)
	certify(t, files, 2)
	if r := reload(); !r.Accepted {
		t.Errorf("a new one: %+v", r)
	}
	offered(2)
	writeFile(t, files.Key, "half written")
	if r := reload(); r.Accepted || !strings.Contains(r.Why, "http.tls: certificate "+files.Cert) {
		t.Errorf("a broken one: %+v", r)
	}
	offered(2)
	certify(t, files, 3) // and nobody says so
	for end := time.Now().Add(20 * time.Second); n.inForce.Load().httpTLS.Leaf.SerialNumber.Int64() != 3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody looks at the files")
		}
	}
	offered(3)
}

func TestToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for text, ok := range map[string]bool{"": false, "short\n": false, " 0123456789abcdef\n": true} {
		writeFile(t, path, text)
		if word, err := readToken(path); (err == nil) != ok || ok && word != "0123456789abcdef" {
			t.Errorf("%q: %q, %v", text, word, err)
		}
	}
	if _, err := readToken(path + "x"); err == nil {
		t.Error("a missing file passes")
	}
}

// A node with a certificate and a token serves its pages over TLS, and takes a
// reload from who has the token.
func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	files := TLSConfig{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	root := certify(t, files, 1)
	c := defaultConfig()
	c.Data, c.Socket = dir, filepath.Join(dir, "s")
	c.Registry = writeFile(t, filepath.Join(dir, "pool.yaml"), "zone: {name: pool.example, nameservers: {ns1.pool.example: [192.0.2.1]}}\nmembers: [{name: a, addresses: [10.16.0.1]}]\n")
	c.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(freePort(t))}
	c.HTTP.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	c.HTTP.TLS, c.HTTP.Token = files, writeFile(t, filepath.Join(dir, "token"), "0123456789abcdef\n")
	n := running(t, c, true)

	pool := x509.NewCertPool()
	pool.AddCert(root)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	call := func(method, path, token string) (int, string) {
		r, err := http.NewRequest(method, "https://"+n.httpListener.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		reply, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		body, _ := io.ReadAll(reply.Body)
		return reply.StatusCode, string(body)
	}
	for _, want := range []struct {
		method, path, token string
		code                int
		says                string
	}{
		{"GET", "/readyz", "", 200, "ready"},
		{"GET", "/", "", 200, "<title>Overview"},
		{"GET", "/api/v1/explain?client=10.16.0.9&name=pool.example", "", 200, `"rings"`},
		{"GET", "/zone?from=10.16.0.9", "", 200, `<a href="/members/a">a</a>`},
		{"POST", "/api/v1/reload", "wrong", 401, "token"},
		{"POST", "/api/v1/reload", "0123456789abcdef", 200, `"accepted":true`},
		{"GET", "/node", "", 200, "accepted"},
		{"POST", "/api/v1/drain?member=a&reason=CHG-1", "0123456789abcdef", 409, "static: nothing is kept"},
	} {
		if code, text := call(want.method, want.path, want.token); code != want.code || !strings.Contains(text, want.says) {
			t.Errorf("%s %s: %d %s, want %d %s", want.method, want.path, code, text, want.code, want.says)
		}
	}
	if reply, err := http.Get("http://" + n.httpListener.Addr().String() + "/"); err == nil {
		if reply.Body.Close(); reply.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP: %s", reply.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := os.Remove(c.HTTP.Token); err != nil {
		t.Fatal(err)
	}
	if code, _ := call("POST", "/api/v1/reload", "0123456789abcdef"); code != 401 {
		t.Errorf("without the file: %d", code)
	}
}

func TestConfigOfHTTPS(t *testing.T) {
	for text, want := range map[string]string{
		"{tls: {cert: c}}":                        "wants both cert and key",
		"{token_file: t}":                         "must not pass in the clear",
		"{member_tokens: t}":                      "must not pass in the clear",
		"{tls: {cert: c, key: k}, token_file: t}": "",
	} {
		_, err := loadConfig(writeFile(t, filepath.Join(t.TempDir(), "timepool.yaml"), "http: "+text+"\n"))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
