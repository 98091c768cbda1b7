package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// obey asks the node, at that interval until ctx ends, whether to announce
// itself unsynchronised. A node that does not answer changes nothing.
func (r *responding) obey(ctx context.Context, node *url.URL, token string, client *http.Client, every time.Duration) error {
	const by = "node"
	tick := time.NewTicker(every)
	defer tick.Stop()
	told := ""
	for {
		a, err := r.askNode(ctx, node, token, client)
		switch {
		case err != nil && ctx.Err() == nil && told != err.Error():
			told = err.Error()
			r.log.Warn("the node does not say whether to drain", "error", err)
		case err == nil && a.Drain:
			r.clock.Drain(by, a.Reason, a.Until)
		case err == nil:
			r.clock.Undrain(by)
		}
		if err == nil {
			told = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *responding) askNode(ctx context.Context, node *url.URL, token string, client *http.Client) (a announcement, err error) {
	is := r.clock.Announced()
	u := node.JoinPath(announcePath)
	u.RawQuery = url.Values{"asking": {strconv.Itoa(is.Asking())}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s: %s", node, resp.Status)
	}
	return a, json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&a)
}

// nodeClient reads the flags that say which node to obey; nil: none.
func (f *respondFlags) nodeClient() (node *url.URL, token string, client *http.Client, err error) {
	if f.node == "" {
		return nil, "", nil, nil
	}
	if node, err = url.Parse(f.node); err != nil || node.Scheme != "https" || node.Host == "" {
		return nil, "", nil, fmt.Errorf("--node %q: wants https://host:port", f.node)
	}
	if token, err = readToken(f.nodeToken); err != nil {
		return nil, "", nil, fmt.Errorf("--node-token: %w", err)
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if f.nodeCA != "" {
		pem, err := os.ReadFile(f.nodeCA)
		if t.TLSClientConfig.RootCAs = x509.NewCertPool(); err == nil && !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			err = errors.New("holds no certificate")
		}
		if err != nil {
			return nil, "", nil, fmt.Errorf("--node-ca %s: %w", f.nodeCA, err)
		}
	}
	return node, token, &http.Client{Transport: t, Timeout: announceEvery / 2}, nil
}
