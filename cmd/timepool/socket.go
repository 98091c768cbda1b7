package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// listenSocket makes the unix socket that the command line talks to. Who may
// open it may control the node, so it is for its owner and group only (0660).
// A socket left by a crash is replaced; one that answers is another node's.
func listenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("socket %s: another timepool answers on it", path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("socket %s: something else has that name", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}

// socketClient speaks to a node over its socket.
type socketClient struct {
	path string
	http http.Client
}

// client finds the socket: --socket, or else the node file's.
func (a *app) client() (*socketClient, error) {
	path := a.socket
	if path == "" {
		path = defaultConfig().Socket
		c, err := loadConfig(a.config)
		switch {
		case err == nil:
			path = c.Socket
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return newSocketClient(path), nil
}

func newSocketClient(path string) *socketClient {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &socketClient{path: path, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		Timeout:   time.Minute,
	}}
}

// ask calls the node and decodes its JSON answer into out.
func (c *socketClient) ask(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://timepool"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fail(exitUnreachable, c.explain(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var refusal struct{ Error string }
		if json.NewDecoder(resp.Body).Decode(&refusal) != nil || refusal.Error == "" {
			refusal.Error = resp.Status
		}
		return fail(exitUnhealthy, errors.New(refusal.Error))
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fail(exitUnreachable, fmt.Errorf("socket %s: %w", c.path, err))
	}
	return nil
}

var errNobody = errors.New("no timepool answers on")

func (c *socketClient) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w %s (is `timepool serve` running? name its socket with --socket)", errNobody, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("socket %s: permission denied (join its group, or use sudo)", c.path)
	}
	return fmt.Errorf("socket %s: %w", c.path, err)
}
