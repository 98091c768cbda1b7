package resolver

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAsk(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		if err := serving(t, newSample(t), Config{}, addr).Ask(t.Context()); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// TestAskFromOutside: a server that does not answer this host is no less well.
func TestAskFromOutside(t *testing.T) {
	far, all := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	for _, limits := range []Limits{{Allow: far}, {Allow: far, Deny: all}} {
		if err := serving(t, newSample(t), Config{Limits: limits}, "0.0.0.0:0").Ask(t.Context()); err != nil {
			t.Errorf("%+v: %v", limits, err)
		}
	}
}

// A server whose sockets are bound but whom nobody runs takes the question and
// never answers; one that is gone, or that knows nothing yet, says so at once.
func TestAskTellsWhatIsWrong(t *testing.T) {
	s := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	wants := func(words string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := s.Ask(ctx); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %s", err, words)
		}
	}
	wants("not listening")
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	wants("not listening") // nothing is published
	s.Publish(newSample(t).Snapshot)
	wants("does not answer")
	s.Close()
	wants("dns")
}
