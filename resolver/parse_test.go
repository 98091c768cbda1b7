package resolver

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestLower: every octet, at every place of the word, among others that could
// carry into it.
func TestLower(t *testing.T) {
	for c := range 256 {
		for _, around := range []byte{0, 'A', 'z', 0xFF} {
			for at := range 8 {
				word := bytes.Repeat([]byte{around}, 8)
				word[at] = byte(c)
				want := bytes.Clone(word)
				for i, b := range want {
					if 'A' <= b && b <= 'Z' {
						want[i] = b + 'a' - 'A'
					}
				}
				got := binary.LittleEndian.AppendUint64(nil, lower(binary.LittleEndian.Uint64(word)))
				if !bytes.Equal(got, want) {
					t.Fatalf("%x: got %x, want %x", word, got, want)
				}
			}
		}
	}
}
