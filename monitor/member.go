package monitor

import (
	"net/netip"
	"time"
)

// Member is one address of one member as people ask about it: what the
// registry wants of it and what the Board found, in one line.
type Member struct {
	Name     string        `json:"name"`
	Address  netip.Addr    `json:"address"`
	Site     string        `json:"site"`
	State    string        `json:"state"` // active, drain, off, monitor
	Netspeed int           `json:"netspeed"`
	Score    float64       `json:"score"`
	In       bool          `json:"in"`    // handed out now
	Since    time.Time     `json:"since"` // when In last changed
	Why      string        `json:"why"`
	Checked  time.Time     `json:"checked"` // last check; zero before the first
	Offset   time.Duration `json:"offset_ns"`
	RTT      time.Duration `json:"rtt_ns"`
	Stratum  uint8         `json:"stratum"`
	Leap     uint8         `json:"leap"`
	RefID    string        `json:"refid"`
	Lost     int           `json:"lost"` // unanswered exchanges of the last check
	Outcome  string        `json:"outcome"`
	Standing string        `json:"standing"` // in, resort, out: the Board's verdict before the registry's wishes
}

// Status is what the Board says of itself.
type Status struct {
	Frozen  bool   `json:"frozen"`  // scores do not move: this vantage does not trust itself
	Booting bool   `json:"booting"` // no member ever reached 10: good ones are served early
	Resort  bool   `json:"resort"`  // nobody is in: members that fell silent are served
	Warning string `json:"warning"` // one line, "" when all is well
}
