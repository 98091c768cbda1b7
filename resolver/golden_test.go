package resolver

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/golden")

// TestGolden runs testdata/golden/*.txtar: pool.yaml is the registry, scores is
// the monitor's verdict ("ADDRESS VALUE STANDING WHY" a line, "*" for all that
// no line names; without that file everybody is in), and asked is questions
//
//	> [from ADDRESS] [subnet PREFIX] [size OCTETS | tcp] NAME TYPE
//	> lose SITE|MEMBER...
//
// each followed by the whole reply and the verdict that is counted. The comment
// on top says which rule it is about.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { // time stands still: _status tells it
				replay(t, archive)
			})
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := txtar.Format(archive)
			if *update {
				err = os.WriteFile(file, got, 0o644)
			} else if !bytes.Equal(got, want) {
				t.Errorf("%s says otherwise; go test ./resolver -run Golden -update, then read the difference:\n%s", file, firstDifference(got, want))
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// replay replaces the replies in asked by those given now.
func replay(t *testing.T, archive *txtar.Archive) {
	folder, scores := t.TempDir(), "* 20 in checked\n"
	var asked *txtar.File
	for i := range archive.Files {
		f := &archive.Files[i]
		switch f.Name {
		case "scores":
			scores = string(f.Data)
		case "asked":
			asked = f
		default:
			if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := zones.Load(filepath.Join(folder, "pool.yaml"))
	if err != nil || asked == nil {
		t.Fatal("needs a registry and questions: ", err)
	}
	verdict := goldenScores(t, r, scores)
	s, err := Build(r, zones.NewAtlas(r, nil), verdict, Options{
		Serial: 7, Seed: 1, Version: "1.2.3", Generation: 4, Started: time.Now().Add(-time.Hour),
		Tell: func(a netip.Addr) []string { return []string{fmt.Sprintf("%s: score %.1f", a, verdict[a].Value)} },
	})
	if err != nil {
		t.Fatal(err)
	}
	turns := newTurns(s, nil, 1)
	var out strings.Builder
	for line := range strings.Lines(string(asked.Data)) {
		if question, ok := strings.CutPrefix(line, "> "); ok {
			out.WriteString(line)
			if lost, ok := strings.CutPrefix(question, "lose "); ok {
				out.WriteString(goldenOutlook(t, s, strings.Fields(lost)))
			} else {
				out.WriteString(goldenReply(t, s, turns, strings.Fields(question)))
			}
		} else if strings.HasPrefix(line, "# ") {
			out.WriteString("\n" + line)
		}
	}
	asked.Data = []byte(strings.TrimPrefix(out.String(), "\n"))
}

func goldenScores(t *testing.T, r *zones.Registry, text string) zones.Scores {
	standing := map[string]zones.Standing{"in": zones.In, "resort": zones.Resort, "out": zones.Out}
	scores := zones.Scores{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			t.Fatalf("scores: %q", line)
		}
		score := zones.Score{Standing: standing[f[2]], Since: time.Now().Add(-time.Minute), Why: strings.Join(f[3:], " ")}
		fmt.Sscan(f[1], &score.Value)
		if f[0] != "*" {
			scores[netip.MustParseAddr(f[0])] = score
			continue
		}
		for _, m := range r.Members {
			for _, a := range m.Addresses {
				if _, ok := scores[a]; !ok {
					scores[a] = score
				}
			}
		}
	}
	return scores
}

func goldenReply(t *testing.T, s *Snapshot, turns *Turns, words []string) string {
	client, how := netip.MustParseAddr("127.0.0.1"), Transport{}
	q := new(dns.Msg)
	size, opt := uint16(1232), new(dns.EDNS0_SUBNET)
	for len(words) > 2 {
		switch words[0] {
		case "from":
			client = netip.MustParseAddr(words[1])
		case "subnet":
			p := netip.MustParsePrefix(words[1])
			opt.Code, opt.Family, opt.SourceNetmask, opt.Address = dns.EDNS0SUBNET, 2, uint8(p.Bits()), net.IP(p.Addr().AsSlice())
			if p.Addr().Is4() {
				opt.Family = 1
			}
		case "size":
			fmt.Sscan(words[1], &size)
		case "tcp":
			how.TCP, words = true, words[1:]
			continue
		default:
			t.Fatalf("question: %q", words)
		}
		words = words[2:]
	}
	q.SetQuestion(words[0]+".", dns.StringToType[words[1]])
	q.Id = 0
	q.SetEdns0(size, false)
	if opt.Family != 0 {
		q.IsEdns0().Option = append(q.IsEdns0().Option, opt)
	}
	query, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	reply, verdict := s.Answer(nil, query, client, how, turns)
	var m dns.Msg
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	var out strings.Builder
	scan := bufio.NewScanner(strings.NewReader(m.String()))
	for scan.Scan() {
		if line := strings.TrimSpace(scan.Text()); line != "" {
			out.WriteString(strings.ReplaceAll(line, "\t", " ") + "\n")
		}
	}
	return out.String() + ";; counted: " + verdict.String() + "\n"
}

func goldenOutlook(t *testing.T, s *Snapshot, lost []string) string {
	o, err := s.WhatIf(lost)
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	fmt.Fprintln(&out, "lost:", strings.Join(o.Lost, " "))
	for _, p := range o.Sites {
		fmt.Fprintf(&out, "%s %s: %d -> %d usable, %.3f -> %.3f of the load, %.0f -> %.0f km, served %t -> %t\n", p.Site, p.Type,
			p.Before.Usable, p.After.Usable, p.Before.Share, p.After.Share, p.Before.Km, p.After.Km, p.Before.Served, p.After.Served)
	}
	for _, b := range o.Broken {
		fmt.Fprintf(&out, "broken: %q %s: %d -> %d of %d\n", b.Pool, b.Type, b.Before, b.After, b.Floor)
	}
	return out.String()
}

// firstDifference is the first line that differs, with the question above it.
func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	question := ""
	for i := range min(len(g), len(w)) {
		if strings.HasPrefix(w[i], ">") {
			question = w[i]
		}
		if g[i] != w[i] {
			return fmt.Sprintf("line %d, %s\n got %s\nwant %s", i+1, question, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
