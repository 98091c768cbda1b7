package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
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

type peerKey struct{}

// withPeer notes in a connection's context who is on the other end.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uid, name := peerUID(c), "somebody"
	if uid >= 0 {
		name = fmt.Sprintf("uid %d", uid)
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			name = fmt.Sprintf("%s (%s)", u.Username, name)
		}
	}
	return context.WithValue(ctx, peerKey{}, name)
}

// peerOf is whom withPeer noted: "root (uid 0)". Over HTTPS a token is all there is.
func peerOf(ctx context.Context) string {
	if name, ok := ctx.Value(peerKey{}).(string); ok {
		return name
	}
	return "token over https"
}

// ask calls the running node, on --socket or else the node file's, and decodes
// its JSON answer into out, or copies it to an io.Writer as it is.
func (a *app) ask(ctx context.Context, method, path string, out any) error {
	socket := a.socket
	if socket == "" {
		c, err := loadConfig(a.config)
		switch {
		case err == nil:
			socket = c.Socket
		case errors.Is(err, fs.ErrNotExist):
			socket = defaultConfig().Socket
		default:
			return err
		}
	}
	return askSocket(ctx, socket, method, path, out)
}

func askSocket(ctx context.Context, socket, method, path string, out any) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: time.Minute}
	if _, ok := out.(io.Writer); ok {
		client.Timeout = 0 // a backup takes what it takes
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://timepool"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fail(exitUnreachable, fmt.Errorf("%w %s (is `timepool serve` running? name its socket with --socket)", errNobody, socket))
	case errors.Is(err, fs.ErrPermission):
		return fail(exitUnreachable, fmt.Errorf("socket %s: permission denied (join its group, or use sudo)", socket))
	case err != nil:
		return fail(exitUnreachable, fmt.Errorf("socket %s: %w", socket, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var refusal struct{ Error string }
		if json.NewDecoder(resp.Body).Decode(&refusal) != nil || refusal.Error == "" {
			refusal.Error = resp.Status
		}
		return fail(exitUnhealthy, errors.New(refusal.Error))
	}
	if w, ok := out.(io.Writer); ok {
		_, err = io.Copy(w, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(out)
	}
	if err != nil {
		return fail(exitUnreachable, fmt.Errorf("socket %s: %w", socket, err))
	}
	return nil
}

var errNobody = errors.New("no timepool answers on")
