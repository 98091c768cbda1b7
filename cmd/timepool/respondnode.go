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
)

// poolNode is the node that a member's responder asks.
type poolNode struct {
	url    *url.URL
	token  string
	client *http.Client
}

// obey asks the node, where there is one, whether to announce itself
// unsynchronised. A node that does not answer changes nothing.
func (r *responding) obey(ctx context.Context) {
	const by = "node"
	if r.node == nil {
		return
	}
	is, wrong := r.clock.Announced(), ""
	switch a, err := r.node.ask(ctx, is.Asking()); {
	case err != nil:
		if wrong = err.Error(); wrong != r.nodeErr && ctx.Err() == nil {
			r.log.Warn("the node does not say whether to drain", "error", err)
		}
	case a.Drain:
		r.clock.Drain(by, a.Reason, a.Until)
	default:
		r.clock.Undrain(by)
	}
	r.nodeErr = wrong
}

// ask tells the node how many clients ask, and asks whether they shall leave.
func (n *poolNode) ask(ctx context.Context, clients int) (a announcement, err error) {
	u := n.url.JoinPath(announcePath)
	u.RawQuery = url.Values{"asking": {strconv.Itoa(clients)}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+n.token)
	resp, err := n.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s: %s", n.url, resp.Status)
	}
	return a, json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&a)
}

// poolNode reads the flags that say which node to obey; nil: none.
func (f *respondFlags) poolNode() (*poolNode, error) {
	if f.node == "" {
		return nil, nil
	}
	var err error
	n := &poolNode{}
	if n.url, err = url.Parse(f.node); err != nil || n.url.Scheme != "https" || n.url.Host == "" {
		return nil, fmt.Errorf("--node %q: wants https://host:port", f.node)
	}
	if n.token, err = readToken(f.nodeToken); err != nil {
		return nil, fmt.Errorf("--node-token: %w", err)
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if f.nodeCA != "" {
		pem, err := os.ReadFile(f.nodeCA)
		if t.TLSClientConfig.RootCAs = x509.NewCertPool(); err == nil && !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			err = errors.New("holds no certificate")
		}
		if err != nil {
			return nil, fmt.Errorf("--node-ca %s: %w", f.nodeCA, err)
		}
	}
	n.client = &http.Client{Transport: t, Timeout: announceEvery / 2, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // the token is for nobody else
	return n, nil
}
