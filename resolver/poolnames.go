package resolver

// addNames sets apexes and names, or takes those of a Snapshot that has the
// same: they tell which deck to take, not what is in it.
func (s *Snapshot) addNames(previous *Snapshot) error {
	if p := previous; p != nil && p.ground == s.ground && p.Serial == s.Serial {
		s.names, s.apexes = p.names, p.apexes
		return nil
	}
	r := s.ground.registry
	s.names = make(map[string]*name, (1+len(r.Zone.Also))*perFamily*len(r.Pools)*(1+len(s.ground.labels))+16)
	if err := s.addStatic(r); err != nil {
		return err
	}
	s.addPoolNames()
	return nil
}

// addPoolNames puts the pool's names below every apex: the apex itself,
// continents, countries and sites, tenants and the same places below them, each
// bare and numbered. What hangs on the client's place has none itself.
func (s *Snapshot) addPoolNames() {
	for i, apex := range s.apexes {
		for number := range perFamily {
			prefix := ""
			if number > 0 {
				prefix = label(string(rune('0' + number - 1)))
			}
			for p, pool := range s.ground.registry.Pools {
				below, suit := label(pool.Name)+apex.wire, 2*p*perFamily+number
				s.poolName(prefix+below, i, suit, byClient)
				for l, place := range s.ground.labels {
					s.poolName(prefix+label(place)+below, i, suit, s.ground.atlas.Len()+l)
				}
			}
		}
	}
}

// poolName makes a pool name of the one at that owner, which may have static
// records.
func (s *Snapshot) poolName(owner string, apex, suit, place int) {
	n := s.names[owner]
	if n == nil {
		n = &name{apex: apex}
		s.names[owner] = n
	}
	n.pool, n.suit, n.place = true, suit, place
}

// label returns a DNS label in wire format, nothing for "".
func label(text string) string {
	if text == "" {
		return ""
	}
	return string([]byte{byte(len(text))}) + text
}
