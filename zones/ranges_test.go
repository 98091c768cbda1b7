package zones

import (
	"math/big"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// family is the oracle's view of one family: addresses as numbers.
type family struct{ bits int }

func (f family) number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

func (f family) addr(n *big.Int) netip.Addr {
	a, ok := netip.AddrFromSlice(n.FillBytes(make([]byte, f.bits/8)))
	if !ok {
		panic("no address")
	}
	return a
}

// drawAddr draws addresses in clusters, as address space is used.
func (f family) drawAddr(t *rapid.T) netip.Addr {
	heads := map[int][][]byte{
		32:  {{}, {10}, {10, 1}, {10, 1, 2}, {80}, {255, 255}, {0}},
		128: {{}, {0x2a, 0x02}, {0x2a, 0x02, 0x0c, 0x38}, {0x2a, 0x02, 0x0c, 0x38, 0, 7}, {0xfd, 0x12, 0x34, 0x56, 0x78, 0x90, 0, 1}, {0xff, 0xff, 0xff}, {0x26}},
	}[f.bits]
	b := rapid.SliceOfN(rapid.Byte(), f.bits/8, f.bits/8).Draw(t, "address")
	copy(b, rapid.SampledFrom(heads).Draw(t, "head"))
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (f family) drawNetwork(t *rapid.T) netip.Prefix {
	a := f.drawAddr(t)
	return netip.PrefixFrom(a, rapid.IntRange(1, f.bits).Draw(t, "length")).Masked()
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// cut gives everything from an address on a value, until the next cut.
type cut struct {
	from netip.Addr
	v    uint16
}

// run scans for the value of an address, where that begins, and where another
// begins after it (invalid: nowhere).
func run(cuts []cut, a netip.Addr) (v uint16, from, to netip.Addr) {
	for i, c := range cuts {
		if i+1 < len(cuts) && cuts[i+1].from == c.from {
			continue // replaced
		}
		switch same := from.IsValid() && c.v == v; {
		case same:
		case a.Less(c.from):
			return v, from, c.from
		default:
			v, from = c.v, c.from
		}
	}
	return v, from, to
}

// find returns the value of an address that is not IPv4-mapped, and the length of
// the shortest prefix around it in which all have that value.
func (f families) find(a netip.Addr) (v uint16, scope int) {
	if a.Is4() {
		return f.v4.find(key4(a))
	}
	return f.v6.find(key(a))
}

// TestRanges checks find and its scope against a linear scan over cuts of the
// address space, also in crowds.
func TestRanges(t *testing.T) {
	for _, f := range []family{{32}, {128}} {
		rapid.Check(t, func(t *rapid.T) {
			networks := rapid.SliceOfN(rapid.Custom(f.drawNetwork), 0, 30).Draw(t, "networks")
			for _, crowd := range rapid.SliceOfN(rapid.Custom(f.drawNetwork), 0, 3).Draw(t, "crowds") {
				if crowd.Bits() > f.bits-10 {
					continue
				}
				n, step := f.number(crowd.Addr()), new(big.Int).Lsh(big.NewInt(1), uint(f.bits-crowd.Bits()-10))
				for range 1000 {
					networks = append(networks, netip.PrefixFrom(f.addr(n), crowd.Bits()+10))
					n.Add(n, step)
				}
			}
			slices.SortFunc(networks, netip.Prefix.Compare)
			painted := newPainting()
			cuts := []cut{{f.addr(new(big.Int)), 0}}
			var end netip.Addr
			for i, n := range networks {
				if end.IsValid() && !end.Less(n.Addr()) {
					continue // what is nested is for the Atlas to sort out
				}
				end = lastOf(n)
				painted.from(n, uint16(i%3))
				painted.past(n, 0)
				cuts = append(cuts, cut{n.Addr(), uint16(i % 3)})
				if after := end.Next(); after.IsValid() {
					cuts = append(cuts, cut{after, 0})
				}
			}
			sealed := painted.seal()
			probe := func(a netip.Addr) {
				want, first, last := run(cuts, a)
				got, scope := sealed.find(a)
				within := func(p netip.Prefix) bool {
					return p.IsValid() && first.Compare(p.Masked().Addr()) <= 0 && (!last.IsValid() || lastOf(p).Less(last))
				}
				if got != want || !within(netip.PrefixFrom(a, scope)) || scope > 0 && within(netip.PrefixFrom(a, scope-1)) {
					t.Fatalf("find(%s) = %d/%d, want %d from %s to before %s", a, got, scope, want, first, last)
				}
			}
			for range 50 {
				probe(f.drawAddr(t))
			}
			for range min(len(networks), 100) {
				n := rapid.SampledFrom(networks).Draw(t, "network")
				for _, a := range []netip.Addr{n.Addr(), n.Addr().Prev(), lastOf(n), lastOf(n).Next()} {
					if a.IsValid() {
						probe(a)
					}
				}
			}
		})
	}
}
