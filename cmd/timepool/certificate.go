package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// overTLS reads the certificates of the listeners, nil for none, and looks at
// the tokens. Errors are those of all files.
func (c *Config) overTLS(log *slog.Logger) (dns, http *tls.Config, err error) {
	var faults [4]error
	if len(c.DNS.TLS.Listen) > 0 {
		if dns, faults[0] = openCertificate(c.DNS.TLS.Cert, c.DNS.TLS.Key, log, "dot"); faults[0] != nil {
			faults[0] = fmt.Errorf("dns.tls: %w", faults[0])
		}
	}
	if c.HTTP.TLS.Cert != "" {
		if http, faults[1] = openCertificate(c.HTTP.TLS.Cert, c.HTTP.TLS.Key, log, "http/1.1"); faults[1] != nil {
			faults[1] = fmt.Errorf("http.tls: %w", faults[1])
		}
	}
	if c.HTTP.Token != "" {
		if _, faults[2] = readToken(c.HTTP.Token); faults[2] != nil {
			faults[2] = fmt.Errorf("http.token_file: %w", faults[2])
		}
	}
	if c.HTTP.MemberTokens != "" {
		_, faults[3] = memberOf(c.HTTP.MemberTokens, "")
	}
	return dns, http, fail(exitInvalid, errors.Join(faults[:]...))
}

// certificate is a pair of files, read again once they changed. A pair that
// cannot be read leaves the former in force, and that is logged once.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	checked time.Time
	seen    sight // the files as they were last tried
	loaded  *tls.Certificate
}

// openCertificate reads the files for a listener; protocols are those of ALPN.
// Errors name them.
func openCertificate(cert, key string, log *slog.Logger, protocols ...string) (*tls.Config, error) {
	c := &certificate{cert: cert, key: key, log: log, seen: look(cert, key)}
	loaded, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s, key %s: %w", cert, key, err)
	}
	c.loaded = &loaded
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetCertificate: c.get}, nil
}

// get looks at the files once a second at most.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < time.Second {
		return c.loaded, nil
	}
	c.checked = time.Now()
	if seen := look(c.cert, c.key); !seen.same(c.seen) {
		c.seen = seen
		if loaded, err := tls.LoadX509KeyPair(c.cert, c.key); err != nil {
			c.log.Error("certificate cannot be read again, the former stays in force", "cert", c.cert, "error", err)
		} else {
			c.loaded = &loaded
			c.log.Info("certificate read again", "cert", c.cert)
		}
	}
	return c.loaded, nil
}

// readToken reads a word that whoever calls over HTTPS must know.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	word := strings.TrimSpace(string(text))
	if err == nil && len(word) < 16 {
		err = fmt.Errorf("%s: wants 16 characters or more (openssl rand -hex 32)", path)
	}
	return word, err
}
