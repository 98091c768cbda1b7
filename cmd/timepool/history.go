package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// past is one check of an address, or what ten minutes of them came to.
type past struct {
	Time       time.Time     `json:"time"`
	Address    netip.Addr    `json:"address"`
	Vantage    string        `json:"vantage"`
	For        time.Duration `json:"for_ns"` // 0: one check; else the values are means over so long
	Checks     int           `json:"checks"`
	Silent     int           `json:"silent"` // of those, not answered
	Sent       int           `json:"sent"`
	Lost       int           `json:"lost"`
	Outcome    string        `json:"outcome"`
	Offset     time.Duration `json:"offset_ns"`
	OffsetLow  time.Duration `json:"offset_low_ns"`
	OffsetHigh time.Duration `json:"offset_high_ns"`
	RTT        time.Duration `json:"rtt_ns"`
	RTTLow     time.Duration `json:"rtt_low_ns"`
	RTTHigh    time.Duration `json:"rtt_high_ns"`
	Distance   time.Duration `json:"root_distance_ns"`
	Stratum    uint8         `json:"stratum"`
	Leap       uint8         `json:"leap"`
	RefID      string        `json:"refid"`
	Step       float64       `json:"step"`
	Score      float64       `json:"score"` // after the check
	ScoreLow   float64       `json:"score_low"`
	ScoreHigh  float64       `json:"score_high"`
	Frozen     bool          `json:"frozen"`
	Error      string        `json:"error"` // kiss code, or what was wrong
}

func pastOf(addr netip.Addr, p monitor.Point) past {
	l := past{
		Time: p.Time, Address: addr, Vantage: p.Vantage, For: p.For, Checks: p.Checks, Silent: p.Silent, Sent: p.Sent, Lost: p.Lost, Outcome: p.Outcome.String(),
		Offset: p.Offset, OffsetLow: p.Low.Offset, OffsetHigh: p.High.Offset, RTT: p.RTT, RTTLow: p.Low.RTT, RTTHigh: p.High.RTT, Distance: p.RootDistance,
		Stratum: p.Stratum, Leap: p.Leap, Step: p.Step, Score: p.Score, ScoreLow: p.Low.Score, ScoreHigh: p.High.Score, Frozen: p.Frozen,
		Error: cmp.Or(p.Kiss, p.Invalid, p.Err),
	}
	if p.Timed() {
		l.RefID = monitor.RefIDText(p.RefID, p.Stratum)
	}
	return l
}

func (a *app) historyCommand() *cobra.Command {
	var since, until string
	c := command("history MEMBER", "Print a member's checks and scores over time, also when no node runs", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		now := time.Now()
		from, err := moment(since, now)
		to, err2 := moment(until, now)
		if err := cmp.Or(err, err2); err != nil {
			return fail(exitUsage, err)
		}
		all, err := a.askHistory(ctx, args[0], from, to)
		switch {
		case err != nil:
			return err
		case a.output == "csv":
			return a.printCSV(all)
		}
		return a.show(all, pastLines(all))
	})
	c.Long = `Prints the checks of a member, by name or address, and its score after each, of
the running node or, when none runs, from the data folder. Where single checks
are no longer kept, ten minutes at a time: their mean, and how far they reached.

A time is RFC 3339, or a duration before now: 24h.`
	c.Flags().StringVar(&since, "since", "24h", "from when on")
	c.Flags().StringVar(&until, "until", "0s", "up to when")
	c.Flags().StringVarP(&a.output, "output", "o", "table", "how to print: table, csv or json")
	return c
}

// moment reads a time, or a duration before now.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("time %q: wants a duration before now, 24h, or 2006-01-02T15:04:05Z", text)
	}
	return t, nil
}

// storedHistory is what handleHistory answers, from the file.
func (a *app) storedHistory(w io.Writer, member string, from, to time.Time) error {
	config, err := loadConfig(a.config)
	if err != nil {
		return err
	}
	var registry *zones.Registry
	if _, err := netip.ParseAddr(member); err != nil {
		if registry, err = zones.Load(config.Registry); err != nil {
			return fail(exitInvalid, err)
		}
	}
	addrs, err := addressesOf(registry, member)
	if err != nil {
		return err
	}
	h, err := monitor.OpenHistory(config.historyFile(), monitor.HistoryOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer h.Close()
	return writeHistory(w, h, addrs, from, to)
}

// addressesOf are those of the member with that name, or it is an address.
func addressesOf(r *zones.Registry, member string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(member); err == nil {
		return []netip.Addr{addr}, nil // also one that has left the registry
	}
	for i := range r.Members {
		if r.Members[i].Name == member {
			return r.Members[i].Addresses, nil
		}
	}
	return nil, fmt.Errorf("member %s: the registry has none of that name or address", member)
}

// handleHistory answers GET /v1/history?member=…&since=…&until=… with a line of
// JSON for each check.
func (n *node) handleHistory(w http.ResponseWriter, r *http.Request) {
	if n.history == nil {
		refuse(w, http.StatusNotFound, "static: members are not measured")
		return
	}
	addrs, err := addressesOf(n.inForce.Load().registry, r.FormValue("member"))
	from, err2 := time.Parse(time.RFC3339, r.FormValue("since"))
	to, err3 := time.Parse(time.RFC3339, r.FormValue("until"))
	if err := cmp.Or(err, err2, err3); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err := writeHistory(w, n.history, addrs, from, to); err != nil {
		panic(http.ErrAbortHandler) // who reads sees that the end is missing
	}
}

func writeHistory(w io.Writer, h *monitor.History, addrs []netip.Addr, from, to time.Time) error {
	e := json.NewEncoder(w)
	for _, addr := range addrs {
		for p, err := range h.Range(addr, from, to) {
			if err == nil {
				err = e.Encode(pastOf(addr, p))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// askHistory is what handleHistory answers.
func (a *app) askHistory(ctx context.Context, member string, from, to time.Time) ([]past, error) {
	q := url.Values{"member": {member}, "since": {from.Format(time.RFC3339Nano)}, "until": {to.Format(time.RFC3339Nano)}}
	var lines bytes.Buffer
	err := a.ask(ctx, "GET", "/v1/history?"+q.Encode(), &lines)
	if errors.Is(err, errNobody) {
		err = a.storedHistory(&lines, member, from, to)
	}
	all := []past{}
	for d := json.NewDecoder(&lines); err == nil && d.More(); {
		var p past
		if err = d.Decode(&p); err == nil {
			all = append(all, p)
		}
	}
	return all, err
}

// pastLines is a table of what was.
func pastLines(all []past) []string {
	var rows [][]string
	for _, p := range all {
		offset, rtt := "", ""
		if p.Outcome == "answered" && (p.Error == "" || p.RTT > 0) {
			offset, rtt = signed(p.Offset), short(p.RTT)
		}
		said := p.Error
		switch {
		case p.For > 0:
			said = fmt.Sprintf("%d checks in %.0f min, %d unanswered, offset %s to %s", p.Checks, p.For.Minutes(), p.Silent, signed(p.OffsetLow), signed(p.OffsetHigh))
		case p.Outcome != "answered":
			said = p.Outcome + ": " + cmp.Or(p.Error, "no answer")
		}
		rows = append(rows, []string{
			p.Time.UTC().Format("2006-01-02 15:04:05.000"), p.Address.String(), offset, rtt, strconv.Itoa(int(p.Stratum)), fmt.Sprintf("%+.3f", p.Step), fmt.Sprintf("%.3f", p.Score), said,
		})
	}
	return aligned([]string{"TIME (UTC)", "ADDRESS", "OFFSET", "RTT", "STRATUM", "STEP", "SCORE", ""}, rows)
}

// printCSV prints a column for each key of the JSON.
func (a *app) printCSV(all []past) error {
	w := csv.NewWriter(a.out)
	w.Write([]string{"time", "address", "vantage", "for_s", "checks", "silent", "sent", "lost", "outcome", "offset_s", "offset_low_s", "offset_high_s",
		"rtt_s", "rtt_low_s", "rtt_high_s", "root_distance_s", "stratum", "leap", "refid", "step", "score", "score_low", "score_high", "frozen", "error"})
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	seconds := func(d time.Duration) string { return number(d.Seconds()) }
	for _, p := range all {
		w.Write([]string{p.Time.Format("2006-01-02T15:04:05.000Z07:00"), p.Address.String(), p.Vantage, seconds(p.For), strconv.Itoa(p.Checks), strconv.Itoa(p.Silent),
			strconv.Itoa(p.Sent), strconv.Itoa(p.Lost), p.Outcome, seconds(p.Offset), seconds(p.OffsetLow), seconds(p.OffsetHigh),
			seconds(p.RTT), seconds(p.RTTLow), seconds(p.RTTHigh), seconds(p.Distance), strconv.Itoa(int(p.Stratum)), strconv.Itoa(int(p.Leap)), p.RefID,
			number(p.Step), number(p.Score), number(p.ScoreLow), number(p.ScoreHigh), strconv.FormatBool(p.Frozen), p.Error})
	}
	w.Flush()
	return w.Error()
}

// historyFile is where scores and history are.
func (c *Config) historyFile() string { return filepath.Join(c.Data, "timepool.db") }

func (c *Config) historyOptions(log *slog.Logger) monitor.HistoryOptions {
	return monitor.HistoryOptions{Keep: c.History.Keep, KeepRolled: c.History.KeepRolled, MaxSize: int64(c.History.MaxSize) << 20, Log: log}
}
