package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// TLSConfig names a certificate. Both files are read again when they change.
type TLSConfig struct {
	Cert string `yaml:"cert" doc:"PEM file: the certificate and those between it and the root."`
	Key  string `yaml:"key" doc:"PEM file: its private key."`
}

// DNSTLSConfig says where DNS over TLS is answered.
type DNSTLSConfig struct {
	Listen []netip.AddrPort `yaml:"listen" doc:"Addresses and ports, such as 0.0.0.0:853; nowhere unless given."`
	Cert   string           `yaml:"cert" doc:"PEM file: the certificate and those between it and the root."`
	Key    string           `yaml:"key" doc:"PEM file: its private key. Both are read again when they change."`
}

// dnsTLS is nil where there is no DNS over TLS.
func (n *node) dnsTLS() (*tls.Config, error) {
	c := n.config.DNS.TLS
	if len(c.Listen) == 0 {
		return nil, nil
	}
	pair, err := openCertificate(TLSConfig{c.Cert, c.Key}, n.log)
	if err != nil {
		return nil, fail(exitInvalid, fmt.Errorf("dns.%w", err))
	}
	return pair.config("dot"), nil
}

// certificate is a pair of files, read again once they changed. A pair that
// cannot be read leaves the former in force, and that is logged once.
type certificate struct {
	files TLSConfig
	log   *slog.Logger

	mu      sync.Mutex
	checked time.Time
	stamp   string // of the files as they were last tried
	loaded  *tls.Certificate
}

// openCertificate reads the files. Errors name them.
func openCertificate(files TLSConfig, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log, stamp: stampOf(files)}
	loaded, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	c.loaded = &loaded
	return c, nil
}

// config is for a listener; protocols are those of ALPN.
func (c *certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetCertificate: c.get}
}

// get looks at the files once a second at most.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < time.Second {
		return c.loaded, nil
	}
	c.checked = time.Now()
	if stamp := stampOf(c.files); stamp != c.stamp {
		c.stamp = stamp
		if loaded, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key); err != nil {
			c.log.Error("certificate cannot be read again, the former stays in force", "cert", c.files.Cert, "error", err)
		} else {
			c.loaded = &loaded
			c.log.Info("certificate read again", "cert", c.files.Cert)
		}
	}
	return c.loaded, nil
}

// stampOf changes when one of the files does.
func stampOf(files TLSConfig) (stamp string) {
	for _, path := range []string{files.Cert, files.Key} {
		if info, err := os.Stat(path); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
		}
	}
	return stamp
}

// readToken reads the word that calls over HTTP must know to change something.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	word := strings.TrimSpace(string(text))
	if len(word) < 16 {
		return "", errors.New("token file " + path + ": wants 16 characters or more (openssl rand -hex 32)")
	}
	return word, nil
}
