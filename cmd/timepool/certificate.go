package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
)

// readCertificate reads a pair of files for the listener of that key in the node
// file; nil where none is named.
func readCertificate(listener, cert, key string) (*tls.Certificate, error) {
	if cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: certificate %s, key %s: %w", listener, cert, key, err)
	}
	return &pair, nil
}

// tls is what a listener offers: the certificate that is in force when somebody
// comes, and the protocols of ALPN.
func (n *node) tls(certificate func(*generation) *tls.Certificate, protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return certificate(n.inForce.Load()), nil
	}}
}

// tokens looks at the files of tokens, which are read again for every call, so
// that one that is taken away counts at once. Errors are those of all files.
func (c *HTTPConfig) tokens() (err error) {
	if c.Token != "" {
		if _, err = readToken(c.Token); err != nil {
			err = fmt.Errorf("http.token_file: %w", err)
		}
	}
	if c.MemberTokens != "" {
		_, fault := memberOf(c.MemberTokens, "")
		err = errors.Join(err, fault)
	}
	return err
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
