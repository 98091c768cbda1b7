package resolver

import "slices"

// addPoolNames puts the pool's names below every apex: the apex itself,
// continents, countries and sites, tenants and the same places below them, each
// bare and numbered. What hangs
// on the client's place has a table by place, shared by all apexes; the names
// of places mean the same to every client.
func (s *Snapshot) addPoolNames() {
	// Suits stand by pool, family and quarter, the bare one first.
	const perFamily = 1 + quartersOf
	var byPlace, fixed [][]uint32
	base := uint32(0)
	for _, suit := range s.suits {
		byPlace = append(byPlace, moved(suit.byPlace, base))
		fixed = append(fixed, moved(suit.fixed, base))
		base += uint32(len(suit.decks))
	}
	for i, apex := range s.apexes {
		for number := range perFamily {
			prefix := ""
			if number > 0 {
				prefix = label(string(rune('0' + number - 1)))
			}
			for p, pool := range s.ground.registry.Pools {
				below := label(pool.Name) + apex.wire
				n := s.poolName(prefix+below, i)
				for family := range n.byPlace {
					n.byPlace[family] = byPlace[(2*p+family)*perFamily+number]
				}
				for l, place := range s.ground.labels {
					n := s.poolName(prefix+label(place)+below, i)
					for family := range n.fixed {
						n.fixed[family] = fixed[(2*p+family)*perFamily+number][l]
					}
				}
			}
		}
	}
}

// poolName returns the name at that owner, which may have static records.
func (s *Snapshot) poolName(owner string, apex int) *name {
	n := s.names[owner]
	if n == nil {
		n = &name{apex: apex}
		s.names[owner] = n
	}
	n.pool, n.fixed = true, [2]uint32{noDeck, noDeck}
	return n
}

// moved returns a suit's deck numbers as numbers in Snapshot.decks.
func moved(decks []uint32, base uint32) []uint32 {
	all := slices.Clone(decks)
	for i := range all {
		if all[i] != noDeck {
			all[i] += base
		}
	}
	return all
}

// label returns a DNS label in wire format, nothing for "".
func label(text string) string {
	if text == "" {
		return ""
	}
	return string([]byte{byte(len(text))}) + text
}
