package resolver

import "time"

// serialEvery is the least time between two serials, so that secondaries are
// not sent for a transfer at every turn of an automation.
const serialEvery = 5 * time.Minute

// NextSerial returns the SOA serial from now on and when it was given. It moves
// only when the static view changed, at most every 5 minutes, and never
// backwards (RFC 1982): to the seconds of the clock, or by one where the clock
// is behind. While a change has to wait it returns the previous serial and how
// long; ask again then, still with changed. previous and previousAt are what it
// returned last, kept over restarts; previous 0 means never. A fixed serial
// (zone.serial) other than 0 is returned as it is.
func NextSerial(fixed, previous uint32, previousAt time.Time, changed bool, now time.Time) (serial uint32, at time.Time, wait time.Duration) {
	next := uint32(now.Unix())
	switch age := now.Sub(previousAt); {
	case fixed != 0 && fixed == previous:
		return fixed, previousAt, 0
	case fixed != 0:
		return fixed, now, 0
	case previous == 0:
	case !changed:
		return previous, previousAt, 0
	case age >= 0 && age < serialEvery: // a clock set back does not hold it up
		return previous, previousAt, serialEvery - age
	case int32(next-previous) <= 0:
		next = previous + 1
	}
	return max(next, 1), now, 0 // 0 stands for never
}
