package monitor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/timepool/timepool/zones"
)

func openHistory(t *testing.T, path string, o HistoryOptions) *History {
	t.Helper()
	h, err := OpenHistory(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// tick is the n-th check of an address, one a second and just now.
func tick(i, n int) Row {
	s := good()
	s.Addr, s.Vantage, s.Time = addr(i), "fra", time.Now().UTC().Truncate(time.Hour).Add(time.Duration(n)*time.Second)
	r := Row{}.After(s, zones.NTPPool(), false)
	r.Checks = n
	return r
}

func read(t *testing.T, h *History, a netip.Addr, since, until time.Time) (out []Point) {
	t.Helper()
	for s, err := range h.Range(a, since, until) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func TestHistoryKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "for", "it", "timepool.db")
	h := openHistory(t, path, HistoryOptions{})
	const n = 1031
	var rows []Row
	for i := range n {
		r := tick(1, i)
		rows = append(rows, r)
		h.Put(r)
	}
	other := tick(1, 3)
	other.Vantage = "tyo"
	h.Put(other)
	h.Put(tick(2, 5))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Dir(path)); err != nil || fi.Mode().Perm() != 0o750 {
		t.Errorf("folder: %v %v", fi.Mode(), err)
	}

	h = openHistory(t, path, HistoryOptions{})
	got, err := h.Rows()
	if err != nil || len(got) != 3 || !slices.Contains(got, rows[n-1]) || !slices.Contains(got, other) {
		t.Fatalf("%v\n%+v", err, got)
	}
	all := read(t, h, addr(1), time.Time{}, time.Time{})
	if len(all) != n+1 || !slices.IsSortedFunc(all, func(a, b Point) int { return a.Time.Compare(b.Time) }) {
		t.Fatalf("%d samples, want %d in order of time", len(all), n+1)
	}
	if want := pointOf(&rows[0]); all[0] != want {
		t.Errorf("%+v\n%+v", all[0], want)
	}
	if some := read(t, h, addr(1), rows[2].Time, rows[5].Time); len(some) != 4 || some[1].Vantage == some[2].Vantage {
		t.Errorf("from 2 to 5: %+v", some)
	}
	if none := read(t, h, addr(9), time.Time{}, time.Time{}); none != nil {
		t.Errorf("%+v", none)
	}
	for range h.Range(addr(1), time.Time{}, time.Time{}) {
		break // a reader may stop early, and writing goes on
	}
	h.Put(tick(1, n))
	if err := h.flush(); err != nil {
		t.Error(err)
	}
}

func TestHistoryRunWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timepool.db")
	h := openHistory(t, path, HistoryOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx) }()
	h.Put(tick(1, 1))
	for {
		rows, err := h.Rows()
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.Put(tick(2, 1))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if rows, _ := h.Rows(); len(rows) != 2 {
		t.Errorf("%d rows after Run returned", len(rows))
	}
}

func TestHistoryRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	store := func(name string, fill func(tx *bolt.Tx) error) string {
		p := filepath.Join(dir, name)
		db, err := bolt.Open(p, 0o600, nil)
		if err == nil {
			err = errors.Join(db.Update(fill), db.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	formatted := func(format byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket(bucketMeta)
			return errors.Join(err, b.Put(keyFormat, []byte{format}))
		}
	}
	full := func(name string, format byte) func(*bolt.Tx) error { // so that it takes some pages
		return func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte(name))
			for i := range 1000 {
				err = errors.Join(err, b.Put(fmt.Append(nil, "h", i), make([]byte, 100)))
			}
			return errors.Join(err, b.Put(keyFormat, []byte{format}))
		}
	}
	torn := func(path string) string {
		b, err := os.ReadFile(path)
		for at := len(b) - os.Getpagesize(); err == nil; at -= os.Getpagesize() {
			if b[at+8] == leafPage && bytes.Contains(b[at:at+os.Getpagesize()], []byte("h500")) {
				clear(b[at : at+os.Getpagesize()])
				err = os.WriteFile(path, b, 0o600)
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	used := filepath.Join(dir, "used.db")
	openHistory(t, used, HistoryOptions{})
	text := file("text.db", bytes.Repeat([]byte("not a store\n"), 5000))
	for _, path := range []string{text, file("short.db", []byte("x")), file("zeros.db", make([]byte, 1<<16))} {
		before, _ := os.ReadFile(path)
		h := openHistory(t, path, HistoryOptions{})
		if aside, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(before, aside) || !strings.Contains(h.Status().Recovered, path+".damaged") {
			t.Errorf("%s was not set aside: %v, %+v", path, err, h.Status())
		}
	}
	for _, c := range []struct{ name, path, want string }{
		{"a folder", dir, "may write"},
		{"below a file", filepath.Join(text, "timepool.db"), "data folder " + text},
		{"unwritable", "/proc/timepool/timepool.db", "data folder /proc/timepool"},
		{"in use", used, "another timepool uses"},
		{"another program's", store("other.db", func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte("theirs"))
			return err
		}), "some other program's"},
		{"newer", store("newer.db", formatted(historyFormat+1)), "format 6, and this timepool knows 5"},
		{"older", store("older.db", formatted(historyFormat-1)), "format 4, and this timepool knows 5"},
		{"another program's, torn", torn(store("othertorn.db", full("theirs", 0))), "holds what is not timepool's"},
		{"older, torn", torn(store("oldertorn.db", full("meta", historyFormat-1))), "format 4, and this timepool knows 5"},
	} {
		before, _ := os.ReadFile(c.path)
		_, err := OpenHistory(c.path, HistoryOptions{})
		if after, _ := os.ReadFile(c.path); !bytes.Equal(before, after) {
			t.Errorf("%s was changed", c.name)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Dir(c.path)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Damage that bbolt neither finds nor survives.
func TestHistoryMendsSubtleDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timepool.db")
	h := openHistory(t, path, HistoryOptions{})
	for n := range 2000 {
		h.Put(tick(n%250, n))
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	page := func(kind byte) int { // of samples; the last is in use
		for p := len(whole) - size; p > 0; p -= size {
			if whole[p+8] == kind && whole[p+10] > 9 && int(binary.NativeEndian.Uint64(whole[p:]))*size == p {
				return p
			}
		}
		t.Fatal("no such page")
		return 0
	}
	branch, leaf := page(branchPage), page(leafPage)
	first := leaf + 16 + int(binary.NativeEndian.Uint32(whole[leaf+20:])) // the leaf's first keys
	second := leaf + 32 + int(binary.NativeEndian.Uint32(whole[leaf+36:]))
	var m walker
	m.readHead(bytes.NewReader(whole), int64(size))
	for name, damage := range map[string]func(b []byte) []byte{
		"a branch that is its own child": func(b []byte) []byte { copy(b[branch+24:], b[branch:branch+8]); return b },
		"a child used twice":             func(b []byte) []byte { copy(b[branch+24:], b[branch+40:branch+48]); return b },
		"a key that comes twice":         func(b []byte) []byte { copy(b[second:], b[first:first+13]); return b },
		"a key beyond the page":          func(b []byte) []byte { b[leaf+32+9] = 0xff; return b },
		"a free page in use": func(b []byte) []byte {
			copy(b[int(m.free)*size+10:], append([]byte{1, 0, 0, 0, 0, 0}, b[leaf:leaf+8]...))
			return b
		},
		"cut short by a page": func(b []byte) []byte { return b[:int(m.pages-1)*size] },
	} {
		if err := os.WriteFile(path, damage(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := OpenHistory(path, HistoryOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.Contains(h.Status().Recovered, "values were kept") {
			t.Errorf("%s was not seen", name)
		}
		got := 0
		for i := range 250 {
			got += len(read(t, h, addr(i), time.Time{}, time.Time{}))
		}
		t.Logf("%s: %d of 2000 checks are left", name, got)
		if got > 2000 || got < 200 {
			t.Errorf("%s: %d checks of 2000", name, got)
		}
		_ = h.Close()
	}
	if m.walk(bytes.NewReader(whole), int64(len(whole))); m.why != nil {
		t.Error(m.why)
	}
}

// A bit makes a bucket a value, and its name too short for a time: what is not
// where it should be is left behind, and the store goes on.
func TestHistoryMendsMisplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timepool.db")
	h := openHistory(t, path, HistoryOptions{})
	h.Put(tick(1, 1))
	if err := errors.Join(h.flush(), h.db.Update(func(tx *bolt.Tx) error {
		fresh := tx.Bucket(stages[0].bucket)
		_, err := fresh.CreateBucket([]byte("short"))
		_, err2 := tx.Bucket(bucketRows).CreateBucket([]byte("bucket"))
		return errors.Join(err, err2, fresh.Put(timeKey(time.Unix(0, 0)), []byte("no bucket")))
	}), h.Close()); err != nil {
		t.Fatal(err)
	}
	h = openHistory(t, path, HistoryOptions{})
	if said := h.Status().Recovered; !strings.Contains(said, "3 parts of it are lost") {
		t.Error(said)
	}
	h.Put(tick(1, 2))
	if err := h.flush(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, h, addr(1), time.Time{}, time.Time{}); len(got) != 2 {
		t.Errorf("%d checks", len(got))
	}
}

// A store that is damaged anywhere opens, with what is whole of it, and works or
// says that it does not; it never ends the process.
func TestHistoryDamaged(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.db")
	h := openHistory(t, whole, HistoryOptions{})
	for n := range 300 {
		for i := range 8 {
			h.Put(tick(i, n))
		}
		if n%30 == 0 {
			if err := h.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	mended := 0
	try := func(name string, b []byte) {
		path := filepath.Join(dir, "torn.db")
		_ = os.Remove(path)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := OpenHistory(path, HistoryOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if said := h.Status().Recovered; said != "" {
			mended++
			if !strings.Contains(said, path) || strings.Contains(said, "\n") {
				t.Errorf("%s: %v", name, said)
			}
		}
		_, _ = h.Rows()
		for range h.Range(addr(1), time.Time{}, time.Time{}) {
		}
		for i := range 8 {
			h.Put(tick(i, 400))
		}
		_ = h.flush()
		_ = h.Close()
	}
	for cut := 0; cut < len(content); cut += 4096 {
		try(fmt.Sprint("cut at ", cut), content[:max(cut, 1)])
	}
	for range 150 {
		b := bytes.Clone(content)
		page := rng.IntN(len(b)/4096) * 4096
		switch rng.IntN(3) {
		case 0:
			clear(b[page : page+4096])
		case 1:
			for range 1 + rng.IntN(8) {
				b[page+rng.IntN(64)] ^= byte(1 + rng.IntN(255))
			}
		case 2:
			copy(b[page:page+4096], content[rng.IntN(len(b)/4096)*4096:])
		}
		try(fmt.Sprint("page at ", page), b)
	}
	if mended < 20 {
		t.Errorf("only %d damaged stores were mended", mended)
	}
}

// A panic inside the store, as bbolt has for damage, closes it for good.
func TestHistoryBroken(t *testing.T) {
	var out bytes.Buffer
	path := filepath.Join(t.TempDir(), "timepool.db")
	h := openHistory(t, path, HistoryOptions{Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err := h.guard(func() error { return h.db.Update(func(*bolt.Tx) error { panic("page 7: bad\nmore") }) }); err == nil {
		t.Fatal("no error")
	}
	h.Put(tick(1, 1))
	for range 3 {
		if err := h.flush(); err == nil || !strings.Contains(err.Error(), "page 7: bad)") {
			t.Errorf("%v", err)
		}
	}
	if n := strings.Count(out.String(), "history cannot be written"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if _, err := h.Rows(); err == nil {
		t.Error("rows are read from a broken store")
	}
	if err := h.Close(); err == nil {
		t.Error("closed without a word")
	}
}

// A disk that hangs while it is written holds nobody up, and what comes meanwhile
// is bounded and can be read.
func TestHistoryHangs(t *testing.T) {
	h := openHistory(t, filepath.Join(t.TempDir(), "timepool.db"), HistoryOptions{})
	h.Put(tick(1, 0))
	held, err := h.db.Begin(true) // until then flush waits
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- h.flush() }()
	for h.flushing.TryLock() {
		h.flushing.Unlock()
		time.Sleep(time.Millisecond)
	}
	for n := range pendingMax + 100 {
		h.Put(tick(1, n+1))
	}
	if s := h.Status(); s.Waiting > pendingMax+1 || s.Lost == 0 || s.Waiting+s.Lost != pendingMax+101 {
		t.Errorf("%+v", s)
	}
	if got := read(t, h, addr(1), time.Time{}, time.Time{}); len(got) != h.Status().Waiting {
		t.Errorf("%d checks", len(got))
	}
	if err := errors.Join(held.Rollback(), <-done); err != nil {
		t.Fatal(err)
	}
	if got := read(t, h, addr(1), tick(1, 0).Time, tick(1, 1).Time); len(got) != 1 {
		t.Errorf("%d checks", len(got))
	}
}

func TestHistoryBoundsWhatWaits(t *testing.T) {
	h := openHistory(t, filepath.Join(t.TempDir(), "timepool.db"), HistoryOptions{})
	h.broken = errors.New("no disk today")
	for n := range pendingMax + 2 {
		h.Put(tick(1, n))
	}
	if err := h.flush(); err == nil {
		t.Error("no error")
	}
	if len(h.samples) > pendingMax || len(h.samples) < pendingMax/2 || len(h.samples)+h.lost != pendingMax+2 || len(h.rows) != 1 {
		t.Errorf("%d samples, %d rows wait, %d lost", len(h.samples), len(h.rows), h.lost)
	}
	h.broken = nil
	if err := h.flush(); err != nil || len(h.samples) != 0 || h.lost != 0 {
		t.Errorf("%v: %d wait", err, len(h.samples))
	}
	if got := read(t, h, addr(1), time.Time{}, time.Time{}); !got[len(got)-1].Time.Equal(tick(1, pendingMax+1).Time) {
		t.Error("the youngest sample is not there")
	}
}

// FuzzHistoryFile writes octets over a good store. What is then called whole
// must open, read and write without a fault.
func FuzzHistoryFile(f *testing.F) {
	dir := f.TempDir()
	whole := filepath.Join(dir, "whole.db")
	h, err := OpenHistory(whole, HistoryOptions{})
	if err != nil {
		f.Fatal(err)
	}
	for n := range 400 {
		h.Put(tick(n%2, n))
	}
	if err := h.Close(); err != nil {
		f.Fatal(err)
	}
	content, err := os.ReadFile(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{1})
	f.Add(uint32(4096+12), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(uint32(5*4096+8), []byte{1, 0, 2, 0})
	f.Fuzz(func(t *testing.T, at uint32, over []byte) {
		b := bytes.Clone(content)
		copy(b[int(at)%len(b):], over)
		path := filepath.Join(t.TempDir(), "timepool.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := OpenHistory(path, HistoryOptions{})
		if err != nil {
			return
		}
		for range h.Range(addr(1), time.Time{}, time.Time{}) {
		}
		h.Put(tick(1, 400))
		_ = h.flush()
		_ = h.Close()
	})
}
