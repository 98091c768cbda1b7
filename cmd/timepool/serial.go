package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/timepool/timepool/resolver"
	"github.com/timepool/timepool/zones"
)

// serialState is the SOA serial and the static view it stands for. It is kept
// in a file of its own so that a restart never goes backwards.
type serialState struct {
	Serial uint32    `json:"serial"`
	At     time.Time `json:"at"`   // when Serial last moved
	View   []byte    `json:"view"` // digest of the static view it stands for
}

// next moves the serial when the static view changed. Where it is too soon for
// that it says when to ask again (zero: no need); a serial that the registry
// fixes wins.
func (s serialState) next(r *zones.Registry, now time.Time) (next serialState, due time.Time) {
	view := staticView(r)
	changed := string(view) != string(s.View)
	serial, at, wait := resolver.NextSerial(r.Zone.Serial, s.Serial, s.At, changed, now)
	if wait > 0 {
		view, due = s.View, now.Add(wait)
	}
	return serialState{serial, at, view}, due
}

// staticView digests what a secondary copies: all of the registry, in which the
// operators say who is handed out, and nothing of the scores.
func staticView(r *zones.Registry) []byte {
	sum := sha256.New()
	fmt.Fprint(sum, r.Zone, r.Sites, r.Prefer, r.Pools, r.Records, r.Delegations)
	for _, m := range r.Members {
		m.Reason, m.Line = "", ""
		fmt.Fprint(sum, m)
	}
	return sum.Sum(nil)
}

// seedOf makes nodes with the same registry deal the same decks.
func seedOf(r *zones.Registry) uint64 {
	sum := sha256.Sum256([]byte(r.Zone.Name))
	return binary.LittleEndian.Uint64(sum[:])
}

func (n *node) serialPath() string {
	if n.history == nil {
		return "" // static: the data folder is not ours to write
	}
	return filepath.Join(n.config.Data, "serial.json")
}

// loadSerial reads the kept serial. A file that is missing or torn starts
// anew, which is safe: new serials come from the clock and so lie ahead.
func loadSerial(path string, log *slog.Logger) serialState {
	var s serialState
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &s)
	}
	if err != nil && path != "" && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("serial not read, a new one is taken from the clock", "file", path, "error", err)
	}
	return s
}

// save keeps the serial, whole or not at all.
func (s serialState) save(path string, log *slog.Logger) {
	if path == "" {
		return
	}
	content, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path+".new", content, 0o640)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		log.Error("serial not kept", "file", path, "error", err)
	}
}
