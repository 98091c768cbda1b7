package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

// columns are the keys of what is told of a check, or of what ten minutes of
// them came to (for_s is then not 0, and the values are means over so long), in
// CSV as in JSON. What ends in _s is in seconds. The first are those of a check
// that is in no history.
var columns = strings.Fields(`time address vantage outcome sent lost offset_s rtt_s root_distance_s stratum leap refid step error
	score frozen for_s checks silent offset_low_s offset_high_s rtt_low_s rtt_high_s score_low score_high`)

const checkColumns = 14

// values are those of columns.
func values(p *monitor.Point) []any {
	refID := ""
	if p.Timed() {
		refID = monitor.RefIDText(p.RefID, p.Stratum)
	}
	return []any{
		p.Time.UTC().Format(time.RFC3339Nano), p.Addr, p.Vantage, p.Outcome.String(), p.Sent, p.Lost, p.Offset.Seconds(), p.RTT.Seconds(), p.RootDistance.Seconds(), p.Stratum, p.Leap, refID, p.Step,
		cmp.Or(p.Kiss, p.Invalid, p.Err),
		p.Score, p.Frozen, p.For.Seconds(), p.Checks, p.Silent, p.Low.Offset.Seconds(), p.High.Offset.Seconds(), p.Low.RTT.Seconds(), p.High.RTT.Seconds(), p.Low.Score, p.High.Score,
	}
}

// named are the first of the values by their columns.
func named(values []any) map[string]any {
	told := make(map[string]any)
	for i, v := range values {
		told[columns[i]] = v
	}
	return told
}

func (a *app) historyCommand() *cobra.Command {
	var since, until string
	c := command("history MEMBER", "Print a member's checks and scores over time", cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		now := time.Now()
		from, err := parseTime(since, now, -1)
		to, err2 := parseTime(until, now, -1)
		if err := cmp.Or(err, err2); err != nil {
			return fail(exitUsage, err)
		}
		q := url.Values{"member": args, "since": {from.Format(time.RFC3339Nano)}, "until": {to.Format(time.RFC3339Nano)}}
		var points []monitor.Point
		if err := a.ask(ctx, "GET", "history?"+q.Encode(), &points); err != nil {
			return err
		}
		return a.printHistory(points)
	})
	c.Long = `Prints the checks of a member, by name or address, and its score after each. Where
single checks are no longer kept, ten minutes at a time: their mean, and how far
they reached.

A time is a duration before now, 24h, or 2026-12-01 17:30 in local time, or RFC 3339.`
	c.Flags().StringVar(&since, "since", "24h", "from when on")
	c.Flags().StringVar(&until, "until", "0s", "up to when")
	c.Flags().StringVarP(&a.output, "output", "o", "table", "how to print: table, csv or json")
	return c
}

func (a *app) printHistory(points []monitor.Point) error {
	switch a.output {
	case "json":
		all := []map[string]any{}
		for i := range points {
			all = append(all, named(values(&points[i])))
		}
		return a.show(all, nil)
	case "csv":
		w := csv.NewWriter(a.out)
		w.Write(columns)
		for i := range points {
			var row []string
			for _, value := range values(&points[i]) {
				if f, ok := value.(float64); ok {
					value = strconv.FormatFloat(f, 'f', -1, 64)
				}
				row = append(row, fmt.Sprint(value))
			}
			w.Write(row)
		}
		w.Flush()
		return w.Error()
	}
	return a.show(nil, historyLines(points))
}

func historyLines(points []monitor.Point) []string {
	var rows [][]string
	for _, p := range points {
		offset, rtt := "", ""
		if p.Timed() {
			offset, rtt = monitor.OffsetText(p.Offset), length(p.RTT)
		}
		said := cmp.Or(p.Kiss, p.Invalid, p.Err)
		switch {
		case p.For > 0:
			said = fmt.Sprintf("%d checks in %.0f min, %d unanswered, offset %s to %s", p.Checks, p.For.Minutes(), p.Silent, monitor.OffsetText(p.Low.Offset), monitor.OffsetText(p.High.Offset))
		case p.Outcome != monitor.Answered:
			said = p.Outcome.String() + ": " + cmp.Or(said, "no answer")
		}
		rows = append(rows, []string{
			p.Time.UTC().Format("2006-01-02 15:04:05.000"), p.Addr.String(), offset, rtt, strconv.Itoa(int(p.Stratum)), fmt.Sprintf("%+.3f", p.Step), fmt.Sprintf("%.3f", p.Score), said,
		})
	}
	return aligned([]string{"TIME (UTC)", "ADDRESS", "OFFSET", "RTT", "STRATUM", "STEP", "SCORE", ""}, rows)
}

// handleHistory answers GET history?member=…&since=…&until=… with all checks of
// a member, by name, or of an address, also one that has left the registry.
func (n *node) handleHistory(w http.ResponseWriter, r *http.Request) {
	if n.history == nil {
		refuse(w, http.StatusNotFound, "static: members are not measured")
		return
	}
	from, err := time.Parse(time.RFC3339, r.FormValue("since"))
	to, err2 := time.Parse(time.RFC3339, r.FormValue("until"))
	if err := cmp.Or(err, err2); err != nil {
		refuse(w, http.StatusBadRequest, "since, until: "+err.Error())
		return
	}
	addrs, err := addressesOf(n.inForce.Load().registry, r.FormValue("member"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, "[")
	e, comma := json.NewEncoder(w), ""
	for _, addr := range addrs {
		for p, err := range n.history.Range(addr, from, to) {
			p.Addr = addr
			if fmt.Fprint(w, comma); err != nil || e.Encode(p) != nil {
				panic(http.ErrAbortHandler) // who reads sees that the end is missing
			}
			comma = ","
		}
	}
	fmt.Fprint(w, "]")
}

// addressesOf are those of the member with that name, or it is an address.
func addressesOf(r *zones.Registry, member string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(member); err == nil {
		return []netip.Addr{addr}, nil
	}
	i := slices.IndexFunc(r.Members, func(m zones.Member) bool { return m.Name == member })
	if i < 0 {
		return nil, errors.New("member " + member + ": the registry has none of that name or address")
	}
	return r.Members[i].Addresses, nil
}

// historyFile is where scores and history are.
func (c *Config) historyFile() string { return filepath.Join(c.Data, "timepool.db") }

func (c *Config) historyOptions(log *slog.Logger) monitor.HistoryOptions {
	return monitor.HistoryOptions{Keep: c.History.Keep, KeepRolled: c.History.KeepRolled, MaxSize: int64(c.History.MaxSize) << 20, Log: log}
}
