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
	"syscall"
	"time"
)

// ask calls the running node, on --socket or else the node file's, for what
// stands at path below callPath. It decodes the JSON answer into out, or copies
// it to an io.Writer as it is.
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

// askAndShow asks the running node and shows what it says, in lines where a table
// is wanted.
func askAndShow[T any](ctx context.Context, a *app, method, path string, lines func(T) []string) error {
	var said T
	if err := a.ask(ctx, method, path, &said); err != nil {
		return err
	}
	return a.show(said, lines(said))
}

func askSocket(ctx context.Context, socket, method, path string, out any) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: time.Minute}
	if _, ok := out.(io.Writer); ok {
		client.Timeout = 0 // a backup takes what it takes
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+callPath+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fail(exitUnreachable, fmt.Errorf("%w %s (does it run? name its socket with --socket)", errNobody, socket))
	case errors.Is(err, fs.ErrPermission):
		return fail(exitUnreachable, fmt.Errorf("socket %s: permission denied (join its group, or use sudo)", socket))
	case err != nil:
		return fail(exitUnreachable, fmt.Errorf("socket %s: %w", socket, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var refusal struct{ Error string }
		if json.NewDecoder(resp.Body).Decode(&refusal) != nil || refusal.Error == "" {
			refusal.Error = fmt.Sprintf("socket %s: %s: %s (is it a timepool of this version?)", socket, req.URL.Path, resp.Status)
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
