package monitor

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The layout of the store. meta holds the format under its own name; rows has
// one value a Row (rowKey), overrides one an override. The others are the stages
// that checks go through, with a bucket for each period of time (timeKey).
const historyFormat = 5

var (
	bucketMeta = []byte("meta")
	bucketRows = []byte("rows")
	keyFormat  = []byte("format")

	buckets = [][]byte{bucketMeta, bucketRows, bucketOverrides, stages[0].bucket, stages[1].bucket, stages[2].bucket}
)

// growBy is by how many octets the file grows.
const growBy = 1 << 20

// HistoryOptions says how a History keeps.
type HistoryOptions struct {
	Keep       time.Duration    // how long checks are kept; default 30 days
	KeepRolled time.Duration    // how long ten minutes of them; default 730 days
	MaxSize    int64            // octets of the file, some MiB at least: before it is larger the oldest days go; default 1 GiB
	ReadOnly   bool             // nothing is written, and the file must be there and whole
	Log        *slog.Logger     // default: nothing is logged
	Now        func() time.Time // default time.Now; what is old is told by it
}

// History keeps the latest Row of every (address, vantage) and the checks over
// time, in one bbolt file. This is the one seam behind which state is kept.
// Methods are safe for concurrent use.
type History struct {
	path      string
	o         HistoryOptions
	log       *slog.Logger
	db        *bolt.DB
	recovered string // what became of a damaged file; "" when it was whole

	flushing sync.Mutex // held by the one who writes

	mu      sync.Mutex
	rows    map[Key]Row // not yet written
	samples []Point     // not yet written, oldest first
	dropped int         // samples that were there before them, written or lost
	lost    int         // samples given up since the last write that worked
	failing error       // why the last write failed; nil when it did not
	broken  error       // the store turned out damaged and is not touched any more
}

// HistoryStatus is what a History says of itself.
type HistoryStatus struct {
	Size      int64  `json:"size"`      // octets of the file
	Waiting   int    `json:"waiting"`   // checks that are in memory alone
	Lost      int    `json:"lost"`      // of those, given up as there were too many
	Failing   string `json:"failing"`   // why it cannot be written; "" when it can
	Recovered string `json:"recovered"` // what was lost when a damaged file was opened; "" when it was whole
}

// OpenHistory opens the store at path, usually timepool.db in the data folder,
// or makes it, and the folder too. It verifies the store, so that a torn one
// does not crash us later: what is whole of it is kept, and Status and the log
// say what was lost. One of another format or program is an error and stays as
// it is. Errors are one line that names the file and the mend.
func OpenHistory(path string, o HistoryOptions) (*History, error) {
	o.Keep, o.KeepRolled, o.MaxSize = cmp.Or(o.Keep, 30*24*time.Hour), cmp.Or(o.KeepRolled, 730*24*time.Hour), cmp.Or(o.MaxSize, 1<<30)
	h := &History{path: path, o: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), rows: map[Key]Row{}}
	if o.Now == nil {
		h.o.Now = time.Now
	}
	if dir := filepath.Dir(path); !o.ReadOnly {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, fmt.Errorf("data folder %s cannot be made (%w): make it for the user that timepool runs as, or name another", dir, cause(err))
		}
	}
	err := h.guard(h.open)
	if d := (damage{}); errors.As(err, &d) && h.broken == nil && !o.ReadOnly {
		err = h.guard(func() error { return h.recover(d.err) })
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (h *History) open() error {
	if err := h.verify(); err != nil {
		return err
	}
	if err := h.bolt(h.o.ReadOnly); err != nil {
		return err
	}
	err := h.claim()
	if err != nil {
		_ = h.db.Close()
	}
	return err
}

// verify checks the file under bbolt's lock, so that nobody writes meanwhile.
// Open for reading bbolt looks at no more than the head.
func (h *History) verify() error {
	if fi, err := os.Stat(h.path); err != nil || !fi.Mode().IsRegular() || fi.Size() == 0 {
		return nil // bbolt makes it, or says what is wrong with it
	}
	if err := h.bolt(true); err != nil {
		return err
	}
	defer h.db.Close()
	w := walker{quick: !h.o.ReadOnly}
	if err := h.walk(&w); err != nil {
		return err
	}
	if w.why != nil {
		return damage{h.path, w.why}
	}
	return nil
}

// walk has w walk the file.
func (h *History) walk(w *walker) error {
	f, err := os.Open(h.path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err == nil {
		w.walk(f, fi.Size())
	}
	return err
}

func (h *History) bolt(readOnly bool) (err error) {
	h.db, err = bolt.Open(h.path, 0o640, &bolt.Options{Timeout: time.Second, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType})
	var pe *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("another timepool uses %s: stop that one, or give this one a data folder of its own", h.path)
	case errors.As(err, &pe):
		return fmt.Errorf("state file %s cannot be used (%w): make it a file that timepool may write, or name another data folder", h.path, cause(err))
	case err != nil:
		return damage{h.path, err}
	}
	h.db.AllocSize = growBy
	return nil
}

// claim refuses what is not ours or of another format, and makes a new file ours.
func (h *History) claim() error {
	fresh := false
	err := h.db.View(func(tx *bolt.Tx) error {
		if first, _ := tx.Cursor().First(); first == nil && !h.o.ReadOnly {
			fresh = true
			return nil
		}
		var format []byte
		if meta := tx.Bucket(bucketMeta); meta != nil {
			format = meta.Get(keyFormat)
		}
		if err := known(format); err != nil {
			return fmt.Errorf("state file %s: %w", h.path, err)
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return h.db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, []byte{historyFormat})
	})
}

// known refuses every format but ours.
func known(format []byte) error {
	switch {
	case len(format) != 1:
		return errors.New("it is some other program's: name another data folder")
	case format[0] != historyFormat:
		return fmt.Errorf("it has format %d, and this timepool knows %d alone: use the timepool that wrote it, or move the file away and scores are earned anew", format[0], historyFormat)
	}
	return nil
}

// view calls f with what the store holds.
func (h *History) view(f func(*bolt.Tx) error) error {
	return h.guard(func() error { return h.db.View(f) })
}

// guard calls f, which uses the store. bbolt answers some damage with a panic
// and, because it maps the file, the kernel answers some with a fault; both
// become an error here. After that bbolt may hold its locks for ever, so the
// store is not touched again.
func (h *History) guard(f func() error) (err error) {
	h.mu.Lock()
	err = h.broken
	h.mu.Unlock()
	if err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			text, _, _ := strings.Cut(fmt.Sprint(r), "\n")
			err = damage{h.path, errors.New(text)}
			h.mu.Lock()
			h.broken = err
			h.mu.Unlock()
		}
	}()
	return f()
}

// damage is a store that is not whole.
type damage struct {
	path string
	err  error
}

func (d damage) Error() string {
	return fmt.Sprintf("state file %s is damaged or not timepool's (%v): start timepool again, which keeps what is whole of it", d.path, d.err)
}

func (d damage) Unwrap() error { return d.err }

// Status says how the store is.
func (h *History) Status() HistoryStatus {
	var s HistoryStatus
	if fi, err := os.Stat(h.path); err == nil { // while nobody waits for it, as the disk may hang
		s.Size = fi.Size()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Waiting, s.Lost, s.Recovered = len(h.samples), h.lost, h.recovered
	if h.failing != nil {
		s.Failing = h.failing.Error()
	}
	return s
}

// Close writes what is pending and closes the store. One that turned out
// damaged stays locked until the process ends.
func (h *History) Close() error { return errors.Join(h.flush(), h.guard(h.db.Close)) }

// cause is what the system said, without the path that the caller names.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// rowKey names a Row in the store: addrPrefix and the vantage.
func rowKey(k Key) []byte { return append(addrPrefix(k.Addr), k.Vantage...) }

// addrPrefix is what keys of an address begin with: its length, the address in
// network order, 4 or 16 octets, and its zone. None is another's beginning.
func addrPrefix(a netip.Addr) []byte {
	b, _ := a.MarshalBinary() // never fails
	return append([]byte{byte(len(b))}, b...)
}

// timeKey sorts by time: nanoseconds since 1970. Times before 1678 and after 2261
// have the key of the first or the last that there is.
func timeKey(t time.Time) []byte {
	ns := t.UnixNano()
	if first := time.Unix(0, math.MinInt64); t.Before(first) {
		ns = math.MinInt64
	} else if last := time.Unix(0, math.MaxInt64); t.After(last) {
		ns = math.MaxInt64
	}
	return binary.BigEndian.AppendUint64(nil, uint64(ns)^1<<63)
}

// keyTime is the time that a timeKey was made of.
func keyTime(k []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(k)^1<<63)).UTC()
}
