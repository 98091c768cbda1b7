package main

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"

	"github.com/timepool/timepool/monitor/responder"
	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// inputs are what is read of the files that may be edited while a node runs.
type inputs struct {
	base      *zones.Registry  // as it was read
	geoip     *zones.GeoIP     // nil: none is named
	geoSeen   sight            // that file, when it was read
	leaps     *responder.Leaps // nil: none are known
	cookies   []resolver.Secret
	transfers resolver.Transfers
	dnsTLS    *tls.Certificate // nil: none is named
	httpTLS   *tls.Certificate // the same
}

// read reads what c names, and keeps of before what did not change. Errors are
// those of all files.
func (c *Config) read(before inputs) (inputs, error) {
	in := before
	var faults [8]error
	var reading sync.WaitGroup // each takes about as long as the other
	reading.Go(func() {
		var r *zones.Registry
		if r, faults[0] = zones.Load(c.Registry); before.base == nil || r != nil && r.Digest != before.base.Digest {
			in.base = r
		}
	})
	reading.Go(func() {
		if seen := look(c.GeoIP); c.GeoIP != "" && (before.geoip == nil || !seen.same(before.geoSeen)) {
			in.geoSeen = seen
			in.geoip, faults[1] = zones.OpenGeoIP(c.GeoIP)
		}
	})
	reading.Wait()
	in.leaps, faults[2] = readLeaps(c.LeapFile)
	in.cookies, faults[3] = readSecrets(c.DNS.CookieSecrets, before.cookies)
	in.transfers, faults[4] = c.DNS.Transfer.transfers()
	in.dnsTLS, faults[5] = readCertificate("dns.tls", c.DNS.TLS.Cert, c.DNS.TLS.Key)
	in.httpTLS, faults[6] = readCertificate("http.tls", c.HTTP.TLS.Cert, c.HTTP.TLS.Key)
	if before.base == nil { // later on a file of tokens may be gone: nobody has one then
		faults[7] = c.HTTP.tokens()
	}
	return in, fail(exitInvalid, errors.Join(faults[:]...))
}

// changes tells what else than the registry was read again and is not as before.
func (c *Config) changes(before, after *inputs) (lines []string) {
	if after.geoip != before.geoip {
		lines = append(lines, "geoip: "+c.GeoIP+" read again")
	}
	for _, f := range []struct {
		what          string
		before, after any
	}{
		{"leap file: " + c.LeapFile, before.leaps, after.leaps},
		{"cookie secrets: " + c.DNS.CookieSecrets, before.cookies, after.cookies},
		{"transfer keys", before.transfers, after.transfers},
		{"dns.tls: " + c.DNS.TLS.Cert, before.dnsTLS, after.dnsTLS},
		{"http.tls: " + c.HTTP.TLS.Cert, before.httpTLS, after.httpTLS},
	} {
		if !reflect.DeepEqual(f.before, f.after) {
			lines = append(lines, f.what+" read again")
		}
	}
	return lines
}

// readSecrets reads the file of cookie secrets. Without one there is a secret
// that nobody else knows, which is kept as long as the process: current, once
// there is one.
func readSecrets(path string, current []resolver.Secret) ([]resolver.Secret, error) {
	if path == "" {
		if current == nil {
			current = make([]resolver.Secret, 1)
			rand.Read(current[0][:]) // never fails
		}
		return current, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cookie secrets: %w", err)
	}
	secrets, err := resolver.ParseSecrets(content)
	if err != nil {
		return nil, fmt.Errorf("cookie secrets %s: %w", path, err)
	}
	return secrets, nil
}

// transfers reads the keys.
func (c *TransferConfig) transfers() (t resolver.Transfers, err error) {
	t.Networks = c.Networks
	named := make(map[string]*resolver.Key)
	for _, k := range c.Keys {
		content, err := os.ReadFile(k.File)
		if err != nil {
			return t, fmt.Errorf("transfer key %s: %w", k.Name, err)
		}
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(content)))
		if err != nil {
			return t, fmt.Errorf("transfer key %s: %s: wants one secret in base64: %w", k.Name, k.File, err)
		}
		key, err := resolver.NewKey(k.Name, k.Algorithm, secret)
		if err != nil {
			return t, fmt.Errorf("transfer %w", err)
		}
		named[k.Name], t.Keys = key, append(t.Keys, key)
	}
	for _, s := range c.Notify {
		t.Notify = append(t.Notify, resolver.Secondary{Addr: s.To, Key: named[s.Key]})
	}
	return t, nil
}
