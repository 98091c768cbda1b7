package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/timepool/timepool/monitor"
)

func TestPrintTable(t *testing.T) {
	var b bytes.Buffer
	heads, rows := []string{"NAME", "", "WHY"}, [][]string{{"ntp1", green.of("in"), "µs"}, {"a", red.of("out"), "x"}}
	a := &app{out: &b}
	if err := a.show(nil, aligned(heads, rows)); err != nil {
		t.Fatal(err)
	}
	if want := "NAME       WHY\nntp1  in   µs\na     out  x\n"; b.String() != want {
		t.Errorf("got\n%s want\n%s", b.String(), want)
	}
	if got, want := strings.Join(aligned(heads[:1], [][]string{{red.of("a")}}), "|"), "\x1b[2mNAME\x1b[0m|\x1b[31ma\x1b[0m"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestAgo(t *testing.T) {
	now := time.Now()
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 59 * time.Second: "59s", time.Minute: "1m", 3 * time.Hour: "3h", 47 * time.Hour: "47h", 72 * time.Hour: "3d",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	if ago(now, time.Time{}) != "-" {
		t.Error("never")
	}
}

// The table of the demonstration is drawn over the one before, and what that
// had more of is cleared.
func TestTheDemoIsRedrawn(t *testing.T) {
	var b bytes.Buffer
	a := &app{out: &b}
	above := a.drawDemo([]monitor.Member{{Name: "ntp1"}, {Name: "ntp2"}}, 0)
	if !strings.HasPrefix(b.String(), "\x1b[K\nMEMBER") || above != 4 {
		t.Errorf("first: %d lines, %q", above, b.String())
	}
	b.Reset()
	above = a.drawDemo([]monitor.Member{{Name: "ntp1"}}, above)
	if text := b.String(); above != 3 || !strings.HasPrefix(text, "\x1b[4A\x1b[K\n") || !strings.HasSuffix(text, "\x1b[K\n\x1b[J") {
		t.Errorf("then: %d lines, %q", above, text)
	}
}
