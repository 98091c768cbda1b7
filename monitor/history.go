package monitor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
// one value a Row (rowKey); samples has a bucket an address (addrKey) and in it
// one value a Sample (sampleKey).
const historyFormat = 1

var (
	bucketMeta    = []byte("meta")
	bucketRows    = []byte("rows")
	bucketSamples = []byte("samples")
	keyFormat     = []byte("format")
)

// HistoryOptions says how a History keeps.
type HistoryOptions struct {
	Keep time.Duration // how long samples are kept; default 30 days
	Log  *slog.Logger  // default: nothing is logged
}

// History keeps the latest Row of every (address, vantage) and the Samples
// over time, in one bbolt file. This is the one seam behind which state is
// kept. Methods are safe for concurrent use.
type History struct {
	path string
	keep time.Duration
	log  *slog.Logger
	db   *bolt.DB

	flushing sync.Mutex // held by the one who writes
	failing  bool       // guarded by flushing: the last write failed, and that was said
	next     []byte     // guarded by flushing: where pruning goes on

	mu      sync.Mutex
	rows    map[Key]Row // not yet written
	samples []pending   // not yet written, oldest first
	lost    int         // samples given up since the last write that worked
	broken  error       // the store turned out damaged and is not touched any more
}

// OpenHistory opens the store at path, usually timepool.db in the data folder,
// or makes it, and the folder too. It verifies the store, so that a torn one
// is an error here and not a crash later. Errors are one line that names the
// file and the mend.
func OpenHistory(path string, o HistoryOptions) (*History, error) {
	h := &History{path: path, keep: cmp.Or(o.Keep, 30*24*time.Hour), log: o.Log, rows: map[Key]Row{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be made (%w): make it for the user that timepool runs as, or name another", dir, cause(err))
	}
	if err := h.guard(h.open); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *History) open() (err error) {
	if fi, e := os.Stat(h.path); e == nil && fi.Mode().IsRegular() && fi.Size() > 0 {
		err = h.verify(fi.Size())
	}
	if err == nil {
		err = h.bolt(false)
	}
	if err != nil {
		return err
	}
	if err = h.claim(); err != nil {
		_ = h.db.Close()
	}
	return err
}

// verify checks the file under bbolt's lock, so that nobody writes meanwhile.
// Open for reading bbolt looks at no more than the head.
func (h *History) verify(size int64) error {
	if err := h.bolt(true); err != nil {
		return err
	}
	defer h.db.Close()
	f, err := os.Open(h.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := verifyFile(f, size); err != nil {
		return h.damaged(err)
	}
	return nil
}

func (h *History) bolt(readOnly bool) (err error) {
	h.db, err = bolt.Open(h.path, 0o640, &bolt.Options{
		Timeout: time.Second, ReadOnly: readOnly, FreelistType: bolt.FreelistMapType, NoStatistics: true,
	})
	var pe *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("another timepool uses %s: stop that one, or give this one a data folder of its own", h.path)
	case errors.As(err, &pe):
		return fmt.Errorf("state file %s cannot be used (%w): make it a file that timepool may write, or name another data folder", h.path, cause(err))
	case err != nil:
		return h.damaged(err)
	}
	return nil
}

// claim refuses what is not ours or newer than us, and makes a new file ours.
func (h *History) claim() error {
	fresh := false
	err := h.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if first, _ := tx.Cursor().First(); first == nil {
			fresh = true
			return nil
		}
		if meta == nil || len(meta.Get(keyFormat)) != 1 {
			return fmt.Errorf("state file %s is some other program's: name another data folder", h.path)
		}
		if v := meta.Get(keyFormat)[0]; v != historyFormat {
			return fmt.Errorf("state file %s has format %d, this timepool knows only %d: use the newer timepool, or move the file away", h.path, v, historyFormat)
		}
		if tx.Bucket(bucketRows) == nil || tx.Bucket(bucketSamples) == nil {
			return h.damaged(errors.New("a bucket is missing"))
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return h.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketRows, bucketSamples} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, []byte{historyFormat})
	})
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
			err = h.damaged(errors.New(text))
			h.mu.Lock()
			h.broken = err
			h.mu.Unlock()
		}
	}()
	return f()
}

func (h *History) damaged(err error) error {
	return fmt.Errorf("state file %s is damaged or not timepool's (%w): move it away and start again, scores are then earned anew", h.path, err)
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
