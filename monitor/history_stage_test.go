package monitor

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// keeper is a History whose time the test makes pass.
func keeper(t testing.TB, o HistoryOptions) (*History, *time.Time) {
	now := testEpoch.Truncate(dayLength)
	o.Now = func() time.Time { return now }
	h, err := OpenHistory(filepath.Join(t.TempDir(), "timepool.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	h.db.NoSync = true // years pass in a test
	t.Cleanup(func() { _ = h.Close() })
	return h, &now
}

// live has the addresses checked every interval for so long, with a commit now
// and then. Offsets tell the time, so that what is read can be checked.
func live(t testing.TB, h *History, now *time.Time, addrs []netip.Addr, every, for_ time.Duration) {
	for end := now.Add(for_); now.Before(end); {
		*now = now.Add(every)
		for _, a := range addrs {
			s := good()
			s.Addr, s.Time, s.Vantage = a, *now, "fra"
			s.Offset = time.Duration(now.Unix()%1000) * time.Microsecond
			h.Put(Row{Sample: s, Score: 20, Step: 1, Checks: 1})
		}
		if now.Sub(now.Truncate(10*time.Minute)) < every {
			if err := h.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func span(t *testing.T, h *History, a netip.Addr) (checks, rolled int, first time.Time) {
	t.Helper()
	for p, err := range h.Range(a, time.Time{}, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		if first.IsZero() {
			first = p.Time
		}
		if p.For == 0 {
			checks++
			if want := time.Duration(p.Time.Unix()%1000) * time.Microsecond; p.Offset != want {
				t.Fatalf("%v: offset %v, want %v", p.Time, p.Offset, want)
			}
		} else {
			rolled += p.Checks
			if p.Low.Offset > p.Offset || p.Offset > p.High.Offset || p.Low.Score != 20 {
				t.Fatalf("%+v", p)
			}
		}
	}
	return checks, rolled, first
}

func TestHistoryCloseDaysAndForgets(t *testing.T) {
	h, now := keeper(t, HistoryOptions{Keep: 2 * dayLength, KeepRolled: 4 * dayLength})
	start, gone := *now, addr(9)
	live(t, h, now, []netip.Addr{gone}, time.Minute, time.Hour)
	live(t, h, now, []netip.Addr{addr(1), addr(2)}, time.Minute, 4*dayLength+12*time.Hour)
	// Of four days and a half, two and the one that goes on have their checks,
	// the others ten minutes at a time.
	checks, rolled, first := span(t, h, addr(1))
	if want := 60*(2*24+13) + 1; checks != want || rolled != 60*(4*24+12)-want {
		t.Errorf("%d checks, %d rolled, want %d", checks, rolled, want)
	}
	if since := first.Sub(start); since < time.Hour-RollFor || since > time.Hour+time.Minute {
		t.Errorf("begins %v after the start", since)
	}
	if rows, err := h.Rows(); err != nil || len(rows) != 2 {
		t.Errorf("%d rows, %v: that of the address that is gone should be too", len(rows), err)
	}
	live(t, h, now, []netip.Addr{addr(1)}, time.Minute, 2*dayLength)
	if _, _, first := span(t, h, addr(1)); !first.Equal(start.Add(2 * dayLength)) {
		t.Errorf("begins %v after the start", first.Sub(start))
	}
	if checks, rolled, _ := span(t, h, gone); checks+rolled != 0 {
		t.Errorf("%d, %d of an address that is gone", checks, rolled)
	}
}

// Checks from after the end of their day, or from a clock that was set back,
// are kept and in order.
func TestHistoryLateChecks(t *testing.T) {
	h, now := keeper(t, HistoryOptions{})
	live(t, h, now, []netip.Addr{addr(1)}, time.Minute, 26*time.Hour)
	*now = now.Add(-20*time.Hour + 30*time.Second)
	live(t, h, now, []netip.Addr{addr(1)}, time.Minute, time.Hour)
	*now = now.Add(20 * time.Hour)
	live(t, h, now, []netip.Addr{addr(1)}, time.Minute, time.Hour)
	if checks, _, _ := span(t, h, addr(1)); checks != 28*60 {
		t.Errorf("%d checks, want %d", checks, 28*60)
	}
	var last time.Time
	for p := range h.Range(addr(1), time.Time{}, time.Time{}) {
		if p.Time.Before(last) {
			t.Fatalf("%v after %v", p.Time, last)
		}
		last = p.Time
	}
}

func TestHistoryIsBoundedOnDisk(t *testing.T) {
	var out bytes.Buffer
	h, now := keeper(t, HistoryOptions{MaxSize: 4 << 20, Log: slog.New(slog.NewTextHandler(&out, nil))})
	rng := rand.New(rand.NewPCG(3, 4))
	var addrs []netip.Addr
	for i := range 50 {
		addrs = append(addrs, addr(i))
	}
	largest := int64(0)
	for range 20 {
		for range 288 {
			*now = now.Add(5 * time.Minute)
			for _, a := range addrs {
				s := good()
				s.Addr, s.Time = a, now.Add(time.Duration(rng.IntN(1e9)))
				s.Offset, s.RTT, s.RootDistance = time.Duration(rng.Int64()>>10), time.Duration(rng.Int64()>>10), time.Duration(rng.Int64()>>10)
				h.Put(Row{Sample: s, Score: 20, Step: 1})
			}
			if now.Minute() != 0 {
				continue
			}
			if err := h.flush(); err != nil {
				t.Fatal(err)
			}
		}
		largest = max(largest, h.Status().Size)
	}
	if largest > 4<<20 || largest < 2<<20 {
		t.Errorf("the file grew to %d octets of %d", largest, 4<<20)
	}
	days, err := h.days(time.Time{}, time.Time{})
	if err != nil || len(days) < 2 || !days[len(days)-1].Equal(now.Truncate(dayLength)) {
		t.Errorf("%d days are left, %v", len(days), err)
	}
	if !bytes.Contains(out.Bytes(), []byte("its oldest goes")) {
		t.Error("nothing was said")
	}
	t.Logf("%d octets, %d days", largest, len(days))
}

func TestHistoryBackup(t *testing.T) {
	h, now := keeper(t, HistoryOptions{})
	live(t, h, now, []netip.Addr{addr(1)}, time.Minute, 30*time.Hour)
	var b bytes.Buffer
	if err := h.Backup(&b); err != nil {
		t.Fatal(err)
	}
	live(t, h, now, []netip.Addr{addr(1)}, time.Minute, time.Hour)
	path := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, err := OpenHistory(path, HistoryOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if checks, _, _ := span(t, kept, addr(1)); checks != 30*60 {
		t.Errorf("%d checks", checks)
	}
}

// A backup is put back when it is whole to the last chunk, and nobody uses what
// it replaces.
func TestRestore(t *testing.T) {
	h, now := keeper(t, HistoryOptions{})
	live(t, h, now, []netip.Addr{addr(1)}, time.Minute, 30*time.Hour)
	var b bytes.Buffer
	if err := h.Backup(&b); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "timepool.db"), filepath.Join(dir, "backup")
	take := func(content []byte) error {
		if err := os.WriteFile(backup, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return Restore(path, backup)
	}
	var chunk []byte
	if err := h.view(func(tx *bolt.Tx) error {
		chunk = bytes.Clone(tx.Bucket(stages[1].bucket).Bucket(timeKey(now.Add(-dayLength).Truncate(dayLength))).Get(addrPrefix(addr(1))))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	torn := bytes.Clone(b.Bytes())
	torn[bytes.Index(torn, chunk)+len(chunk)/2] ^= 1
	for name, content := range map[string][]byte{"a damaged chunk": torn, "nothing": nil, "a part": torn[:len(torn)/2], "text": []byte("zone: {}")} {
		if err := take(content); err == nil || !strings.Contains(err.Error(), backup) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(path + "*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if err := take(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	kept, err := OpenHistory(path, HistoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if checks, _, _ := span(t, kept, addr(1)); checks != 30*60 {
		t.Errorf("%d checks", checks)
	}
	if err := take(b.Bytes()); err == nil || !strings.Contains(err.Error(), "another timepool uses "+path) {
		t.Errorf("while it is used: %v", err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := take(b.Bytes()); err != nil {
		t.Errorf("in the place of a damaged one: %v", err)
	}
	if aside, err := os.ReadFile(path + ".replaced"); err != nil || string(aside) != "torn" {
		t.Errorf("what was replaced: %q, %v", aside, err)
	}
}

// BenchmarkHistoryWeek reads a member's week as the pages do: within 2 ms.
func BenchmarkHistoryWeek(b *testing.B) {
	h, now := keeper(b, HistoryOptions{})
	points := lifelike(7*1350 + 20)
	for i, p := range points {
		for n := range 20 { // others between
			p.Addr = addr(n)
			h.Put(Row{Sample: p.Sample, Score: p.Score, Step: p.Step})
		}
		*now = p.Time
		if i%10 == 0 {
			if err := h.flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := h.flush(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	n := 0
	for b.Loop() {
		n = 0
		for range h.Range(addr(7), testEpoch, time.Time{}) {
			n++
		}
	}
	b.ReportMetric(float64(n), "points")
	b.Logf("%.1f octets of the file for each check", float64(h.Status().Size)/float64(20*len(points)))
}

// BenchmarkHistoryCommit is the commit of a second with 5,000 addresses checked
// every 64 s: it must come well within that second.
func BenchmarkHistoryCommit(b *testing.B) {
	h, now := keeper(b, HistoryOptions{})
	var addrs []netip.Addr
	for i := range 5000 {
		addrs = append(addrs, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	points := lifelike(1350)
	second := func(i int) {
		*now = now.Add(time.Second)
		for n := range 78 {
			p := points[(i/64)%len(points)]
			p.Addr, p.Time, p.Vantage = addrs[(i*78+n)%len(addrs)], *now, "fra"
			h.Put(Row{Sample: p.Sample, Score: p.Score, Step: p.Step, Why: "offset +12 µs"})
		}
		if err := h.flush(); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	h.db.NoSync = true
	for ; i < 1200; i++ {
		second(i)
	}
	h.db.NoSync = false
	b.ResetTimer()
	for b.Loop() {
		second(i)
		i++
	}
}
