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
)

// verifyMax is the size up to which all of a store is verified; of a larger
// one the samples are not, for the time it would take.
const verifyMax = 256 << 20

// verifyFile reads a bbolt file, version 2, without bbolt and tells whether it
// is whole. It has to come before bbolt opens it for writing: bbolt maps the
// file and follows pointers in it unchecked, so that a block that was lost, cut
// off or is from an earlier time ends the process from within or has it loop
// for ever, and neither bbolt's own check nor recover stands in the way.
func verifyFile(f io.ReaderAt, size int64) error {
	m, ok := readMeta(f, int64(os.Getpagesize()))
	switch {
	case !ok:
		return errors.New("it has no valid head")
	case m.pages > uint64(size/m.pageSize):
		return fmt.Errorf("it is cut short: %d octets, should be %d", size, m.pages*uint64(m.pageSize))
	}
	v := verifier{f: f, meta: m, seen: make([]bool, m.pages), big: size > verifyMax}
	return cmp.Or(v.freelist(), v.tree(m.root, nil, nil, nil))
}

// readWhole hands every value of a bbolt file that is still there to keep, with
// the names of the buckets that it is in, and returns how many pages or buckets
// could not be read.
func readWhole(f io.ReaderAt, size int64, keep func(path [][]byte, k, v []byte) error) (lost int, err error) {
	m, ok := readMeta(f, int64(os.Getpagesize()))
	if !ok {
		return 1, nil
	}
	m.pages = min(m.pages, uint64(size/m.pageSize))
	v := verifier{f: f, meta: m, seen: make([]bool, m.pages), keep: keep}
	err = v.pass(v.tree(m.root, nil, nil, [][]byte{}))
	return v.lost, err
}

// meta is the head of a bbolt file, kept twice and written in turn.
type meta struct {
	pageSize                    int64
	root, freelist, pages, txid uint64
}

// readMeta returns the younger of the valid heads. pageSize is where the second
// is when the first cannot tell.
func readMeta(f io.ReaderAt, pageSize int64) (m meta, ok bool) {
	at := int64(0)
	for range 2 {
		var b [80]byte
		_, err := f.ReadAt(b[:], at)
		sum := fnv.New64a()
		sum.Write(b[16:72])
		u64 := func(i int) uint64 { return binary.NativeEndian.Uint64(b[i:]) }
		if err == nil && binary.NativeEndian.Uint32(b[16:]) == 0xED0CDAED && u64(72) == sum.Sum64() {
			n := meta{int64(binary.NativeEndian.Uint32(b[24:])), u64(32), u64(48), u64(56), u64(64)}
			if !ok || n.txid > m.txid {
				m, ok = n, n.pageSize >= 512
			}
			pageSize = n.pageSize
		}
		at = pageSize
	}
	return m, ok
}

// verifier walks the pages of a file, each at most once.
type verifier struct {
	f io.ReaderAt
	meta
	seen []bool
	big  bool

	keep func(path [][]byte, k, v []byte) error // nil: the first fault is the end
	lost int                                    // faults that were passed over
}

// page returns a page of one of the kinds, with the pages that belong to it.
func (v *verifier) page(id uint64, kinds uint16) ([]byte, error) {
	var head [16]byte
	if id < 2 || id >= v.pages {
		return nil, fmt.Errorf("page %d is none", id)
	}
	if _, err := v.f.ReadAt(head[:], int64(id)*v.pageSize); err != nil {
		return nil, err
	}
	n := 1 + uint64(binary.NativeEndian.Uint32(head[12:]))
	if binary.NativeEndian.Uint64(head[:]) != id || binary.NativeEndian.Uint16(head[8:])&kinds == 0 || n > v.pages-id {
		return nil, fmt.Errorf("page %d is not what it should be", id)
	}
	for i := id; i < id+n; i++ {
		if err := v.see(i); err != nil {
			return nil, err
		}
	}
	p := make([]byte, n*uint64(v.pageSize))
	_, err := v.f.ReadAt(p, int64(id)*v.pageSize)
	return p, err
}

func (v *verifier) see(id uint64) error {
	if id < 2 || id >= v.pages || v.seen[id] {
		return fmt.Errorf("page %d is used twice", id)
	}
	v.seen[id] = true
	return nil
}

// The kinds of pages.
const (
	branchPage   = 1
	leafPage     = 2
	freelistPage = 16
)

// freelist marks the free pages as seen: none of them may come up in a tree.
func (v *verifier) freelist() error {
	p, err := v.page(v.meta.freelist, freelistPage)
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
	last := uint64(0)
	for i := range n {
		id := binary.NativeEndian.Uint64(ids[8*i:])
		if id <= last {
			return errors.New("the list of free pages is out of order")
		}
		if err := v.see(id); err != nil {
			return err
		}
		last = id
	}
	return nil
}

// pass passes over a fault if what is whole is to be kept.
func (v *verifier) pass(err error) error {
	if err == nil || v.keep == nil || errors.As(err, new(keepError)) {
		return err
	}
	v.lost++
	return nil
}

// keepError is a fault of whoever keeps the values, and ends it all.
type keepError struct{ error }

// tree walks the tree at page id, whose keys must be in [lo, hi); path names
// the buckets that it is in.
func (v *verifier) tree(id uint64, lo, hi []byte, path [][]byte) error {
	p, err := v.page(id, branchPage|leafPage)
	if err != nil {
		return err
	}
	return v.elements(p, lo, hi, path)
}

func (v *verifier) elements(p []byte, lo, hi []byte, path [][]byte) error {
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
		keys[i] = key
		if leaf {
			if err := v.pass(v.value(path, key, p[start+ksize:start+ksize+vsize], u32(at)&1 != 0)); err != nil {
				return err
			}
		}
	}
	if leaf {
		return nil
	}
	keys = append(keys, hi)
	for i := range n {
		if err := v.pass(v.tree(binary.NativeEndian.Uint64(p[16+16*i+8:]), keys[i], keys[i+1], path)); err != nil {
			return err
		}
	}
	return nil
}

// value keeps a value, or walks the bucket that it holds: the page of its tree,
// or 0 and the whole bucket as one page in place.
func (v *verifier) value(path [][]byte, k, b []byte, bucket bool) error {
	if !bucket {
		if v.keep == nil {
			return nil
		}
		if err := v.keep(path, k, b); err != nil {
			return keepError{err}
		}
		return nil
	}
	if len(b) < 16 {
		return errors.New("a bucket has no head")
	}
	root, path := binary.NativeEndian.Uint64(b), append(path[:len(path):len(path)], k)
	switch {
	case root != 0 && v.big && len(path) > 1:
		return nil
	case root != 0:
		return v.tree(root, nil, nil, path)
	case len(b) < 32 || binary.NativeEndian.Uint16(b[24:]) != leafPage:
		return errors.New("a bucket in place is no leaf")
	}
	return v.elements(b[16:], nil, nil, path)
}
