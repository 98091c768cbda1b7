package monitor

import "time"

// saysSmear reports whether a reference identifier says that its clock spreads a leap
// second now: as ntpd shows it while it does, and timepool's responder.
func saysSmear(refid uint32) bool { return refid>>24 == 254 }

// unsmear takes from the offset of a sample what a leap second adds to it, where
// its member is declared to smear or says so itself. What is left is judged,
// shown and kept.
func (b *Board) unsmear(s *Sample, declared bool) {
	if b.o.Smeared != nil && valid(s) && (declared || saysSmear(s.RefID)) {
		s.Offset -= b.o.Smeared(s.Time, s.Offset)
	}
}

// smearing reports whether a leap second is being smeared at that instant.
func (b *Board) smearing(at time.Time) bool { return b.o.Smeared != nil && b.o.Smeared(at, 0) != 0 }
