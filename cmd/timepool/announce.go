package main

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/timepool/timepool/zones"
)

// An active drain: the node tells a member's responder, which asks every ten
// seconds, to announce itself unsynchronised. Each member has a token of its
// own, good for nothing but this question.
const (
	announcePath  = callPath + "announce"
	announceEvery = 10 * time.Second
	announceMost  = 24 * time.Hour
)

// announcement is what the node tells one member.
type announcement struct {
	Drain  bool      `json:"drain"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// asked is what a member said when it asked last.
type asked struct {
	Clients int       `json:"clients"` // that still ask it, about
	At      time.Time `json:"at"`
}

func (a *asked) line() string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("; its responder, %s ago: about %d clients still ask", time.Since(a.At).Round(time.Second), a.Clients)
}

// overrideView is an override as it is listed.
type overrideView struct {
	zones.Override
	Asked *asked `json:"asked,omitempty"` // while it counts and is Active: null until its responder came
}

func (n *node) overrides() []overrideView {
	views := []overrideView{}
	record := n.inForce.Load().record
	current := zones.Current(record, time.Now())
	for _, o := range record {
		v := overrideView{Override: o}
		last, _ := n.asked.Load(o.Member)
		if a, ok := last.(*asked); ok && o.Active && o.At.Before(a.At) && slices.Contains(current, o) {
			v.Asked = a
		}
		views = append(views, v)
	}
	return views
}

// mayAnnounce ends o within a day.
func (n *node) mayAnnounce(o *zones.Override) error {
	last := o.At.Add(announceMost)
	switch {
	case n.config.HTTP.MemberTokens == "":
		return errors.New("http.member_tokens is not set in the node file: no responder could be told")
	case o.Until.After(last):
		return errors.New("an active drain lasts 24h at most")
	case o.Until.IsZero():
		o.Until = last
	}
	return nil
}

// announce answers the members' responders and leaves all else to next.
func (n *node) announce(next http.Handler) http.Handler {
	if n.config.HTTP.MemberTokens == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != announcePath || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		name, err := memberOf(n.config.HTTP.MemberTokens, token)
		if err != nil {
			n.log.Error("members cannot be told", "error", err)
		}
		if r.TLS == nil || name == "" {
			refuse(w, http.StatusUnauthorized, "wants TLS and the member's own token")
			return
		}
		clients, _ := strconv.Atoi(r.FormValue("asking"))
		n.asked.Store(name, &asked{max(0, clients), time.Now().UTC()})
		var a announcement
		for _, o := range zones.Current(n.inForce.Load().record, time.Now()) {
			if o.Member == name && o.Active {
				a = announcement{true, o.Reason, o.Until}
			}
		}
		reply(w, a)
	})
}

// memberOf finds whose token it is in a file of lines "MEMBER TOKEN", in a time
// that does not tell how much of one was right; "" nobody's.
func memberOf(path, token string) (name string, err error) {
	text, err := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 2 && len(f[1]) >= 16 && subtle.ConstantTimeCompare([]byte(f[1]), []byte(token)) == 1 {
			name = f[0]
		}
	}
	if err != nil {
		err = fmt.Errorf("http.member_tokens: %w", err)
	}
	return name, err
}
