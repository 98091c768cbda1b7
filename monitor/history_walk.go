package monitor

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
)

// quickMax is the size up to which a quick walk looks at all of a store; of a
// larger one it leaves the days out, for the time they would take.
const quickMax = 256 << 20

// walker reads a store, a bbolt file of version 2, without bbolt: each page at
// most once, past whatever is not whole. It has to come before bbolt opens a
// file for writing: bbolt maps the file and follows pointers in it unchecked, so
// that a block that was lost, cut off or is from an earlier time ends the process
// from within or has it loop for ever, and neither bbolt's own check nor recover
// stands in the way.
type walker struct {
	quick bool
	keep  func(path [][]byte, k, v []byte) error // takes each value, with the names of the buckets it is in; may be nil

	head
	f    io.ReaderAt
	seen []bool // pages
	why  error  // the first fault; nil: all is whole
	lost int    // how many pages, buckets and chunks are not whole
	end  error  // what keep said, which ends it all
}

// walk reads the file; then why says what is wrong with it.
func (w *walker) walk(f io.ReaderAt, size int64) {
	if !w.readHead(f, int64(os.Getpagesize())) {
		w.fault(errors.New("it has no valid head"))
		return
	}
	w.f, w.quick = f, w.quick && size > quickMax
	if has := uint64(size / w.pageSize); has < w.pages {
		w.why = fmt.Errorf("it is cut short: %d octets, should be %d", size, w.pages*uint64(w.pageSize))
		w.pages = has
	}
	w.seen = make([]bool, w.pages)
	w.tree(w.root, nil, nil, nil)
	w.why = cmp.Or(w.why, w.checkFree()) // last, as it is no loss
}

func (w *walker) fault(err error) {
	if err != nil {
		w.lost++
		w.why = cmp.Or(w.why, err)
	}
}

// head is what a bbolt file begins with, twice and written in turn.
type head struct {
	pageSize                int64
	root, free, pages, txid uint64
}

// readHead reads the younger of the heads that are valid. pageSize is where the
// second is when the first cannot tell.
func (h *head) readHead(f io.ReaderAt, pageSize int64) (ok bool) {
	at := int64(0)
	for range 2 {
		var b [80]byte
		_, err := f.ReadAt(b[:], at)
		sum := fnv.New64a()
		sum.Write(b[16:72])
		u64 := func(i int) uint64 { return binary.NativeEndian.Uint64(b[i:]) }
		if err == nil && binary.NativeEndian.Uint32(b[16:]) == 0xED0CDAED && u64(72) == sum.Sum64() {
			n := head{int64(binary.NativeEndian.Uint32(b[24:])), u64(32), u64(48), u64(56), u64(64)}
			if !ok || n.txid > h.txid {
				*h, ok = n, n.pageSize >= 512
			}
			pageSize = n.pageSize
		}
		at = pageSize
	}
	return ok
}

// The kinds of pages.
const (
	branchPage = 1
	leafPage   = 2
	freePage   = 16
)

// page returns a page of one of the kinds, with the pages that belong to it.
func (w *walker) page(id uint64, kinds uint16) ([]byte, error) {
	if id < 2 || id >= w.pages {
		return nil, fmt.Errorf("page %d is none", id)
	}
	p := make([]byte, w.pageSize)
	if _, err := w.f.ReadAt(p, int64(id)*w.pageSize); err != nil {
		return nil, err
	}
	n := 1 + uint64(binary.NativeEndian.Uint32(p[12:]))
	if binary.NativeEndian.Uint64(p) != id || binary.NativeEndian.Uint16(p[8:])&kinds == 0 || n > w.pages-id {
		return nil, fmt.Errorf("page %d is not what it should be", id)
	}
	for i := id; i < id+n; i++ {
		if err := w.see(i); err != nil {
			return nil, err
		}
	}
	if n == 1 {
		return p, nil
	}
	p = make([]byte, n*uint64(w.pageSize))
	_, err := w.f.ReadAt(p, int64(id)*w.pageSize)
	return p, err
}

func (w *walker) see(id uint64) error {
	if id < 2 || id >= w.pages || w.seen[id] {
		return fmt.Errorf("page %d is used twice", id)
	}
	w.seen[id] = true
	return nil
}

// checkFree reads the list of free pages: none of them may be in a tree.
func (w *walker) checkFree() error {
	p, err := w.page(w.free, freePage)
	if err != nil {
		return err
	}
	n, ids := uint64(binary.NativeEndian.Uint16(p[10:])), p[16:]
	if n == 0xffff { // too many for its field
		n, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return errors.New("the list of free pages is too long")
	}
	for last := uint64(0); n > 0; n, ids = n-1, ids[8:] {
		id := binary.NativeEndian.Uint64(ids)
		if id <= last {
			return errors.New("the list of free pages is out of order")
		}
		if err := w.see(id); err != nil {
			return err
		}
		last = id
	}
	return nil
}

// tree walks the tree at page id, whose keys must be in [lo, hi); path names
// the buckets that it is in.
func (w *walker) tree(id uint64, lo, hi []byte, path [][]byte) {
	p, err := w.page(id, branchPage|leafPage)
	if err == nil {
		err = w.elements(p, lo, hi, path)
	}
	w.fault(err)
}

func (w *walker) elements(p []byte, lo, hi []byte, path [][]byte) error {
	u32 := func(i int) uint64 { return uint64(binary.NativeEndian.Uint32(p[i:])) }
	leaf := binary.NativeEndian.Uint16(p[8:]) == leafPage
	n := int(binary.NativeEndian.Uint16(p[10:]))
	bad := errors.New("keys of a page are out of order or reach beyond it")
	if 16+16*n > len(p) || n == 0 && !leaf {
		return bad
	}
	keys := make([][]byte, n, n+1)
	for i := range n {
		at := 16 + 16*i
		pos, ksize, vsize := u32(at), u32(at+4), uint64(0)
		if leaf {
			pos, ksize, vsize = u32(at+4), u32(at+8), u32(at+12)
		}
		start := uint64(at) + pos
		if ksize == 0 || start+ksize+vsize > uint64(len(p)) {
			return bad
		}
		key := p[start : start+ksize]
		if i > 0 && bytes.Compare(key, keys[i-1]) <= 0 || bytes.Compare(key, lo) < 0 || hi != nil && bytes.Compare(key, hi) >= 0 {
			return bad
		}
		if keys[i] = key; leaf && w.end == nil {
			w.fault(w.value(path, key, p[start+ksize:start+ksize+vsize], u32(at)&1 != 0))
		}
	}
	keys = append(keys, hi)
	for i := 0; i < n && !leaf && w.end == nil; i++ {
		w.tree(binary.NativeEndian.Uint64(p[16+16*i+8:]), keys[i], keys[i+1], path)
	}
	return nil
}

// value keeps a value, or walks the bucket that it holds: the page of its tree,
// or 0 and the whole bucket as one page in place. In the stages are periods, and
// in those chunks.
func (w *walker) value(path [][]byte, k, b []byte, bucket bool) error {
	staged := len(path) > 0 && slices.ContainsFunc(stages[:], func(s stage) bool { return bytes.Equal(s.bucket, path[0]) })
	switch {
	case bucket && len(path) > 0 && !(staged && len(path) == 1 && len(k) == 8), !bucket && staged && len(path) == 1:
		return errors.New("a value is where none should be")
	case !bucket:
		if staged {
			if err := checkChunk(b); err != nil {
				return err
			}
		}
		if w.keep != nil {
			w.end = w.keep(path, k, b)
		}
		return nil
	case len(b) < 16:
		return errors.New("a bucket has no head")
	}
	root, path := binary.NativeEndian.Uint64(b), append(path[:len(path):len(path)], k)
	switch {
	case root != 0 && w.quick && len(path) > 1:
		return nil
	case root != 0:
		w.tree(root, nil, nil, path)
		return nil
	case len(b) < 32 || binary.NativeEndian.Uint16(b[24:]) != leafPage:
		return errors.New("a bucket in place is no leaf")
	}
	return w.elements(b[16:], nil, nil, path)
}
