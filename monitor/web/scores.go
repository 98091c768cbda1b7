package web

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"hash/fnv"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/timepool/timepool/monitor"
)

// The NTP Pool's addresses and shapes, for what reads those: /scores/ADDR,
// /scores/ADDR/log and /scores/ADDR/json. A vantage is a monitor there.

// scoreLog is the reply of /scores/ADDR/json.
type scoreLog struct {
	History  []scoreEntry   `json:"history"`
	Monitors []scoreMonitor `json:"monitors"`
	Server   scoreServer    `json:"server"`
}

type scoreEntry struct {
	TS        int64    `json:"ts"`
	Offset    *float64 `json:"offset,omitempty"` // seconds
	Step      float64  `json:"step"`
	Score     float64  `json:"score"`
	MonitorID uint32   `json:"monitor_id"`
	RTT       *float64 `json:"rtt,omitempty"` // milliseconds
}

type scoreMonitor struct {
	ID     uint32  `json:"id"`
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	TS     string  `json:"ts"`
	Score  float64 `json:"score"`
	Status string  `json:"status"`
}

type scoreServer struct {
	IP string `json:"ip"`
}

// monitorID numbers a vantage, alike on every node and for ever.
func monitorID(vantage string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(vantage))
	return h.Sum32() >> 1 // fits a signed number of 32 bits
}

// scores serves all three; what is "" (the member's page), log or json.
func (p pages) scores(w http.ResponseWriter, r *http.Request, v View) {
	what := r.PathValue("what")
	addr, err := netip.ParseAddr(r.PathValue("address"))
	i := slices.IndexFunc(v.Members, func(m monitor.Member) bool { return err == nil && m.Address == addr.Unmap() })
	switch {
	case i < 0 || what != "" && what != "log" && what != "json":
		say(w, http.StatusNotFound, "server not found")
		return
	case what == "":
		http.Redirect(w, r, link(v.Members[i].Name), http.StatusFound)
		return
	case p.History == nil:
		say(w, http.StatusNotFound, "this node keeps no history")
		return
	}
	points, err := p.logged(v.Members[i].Address, r.URL.Query())
	switch {
	case err != nil:
		say(w, http.StatusInternalServerError, err.Error())
	case what == "log":
		send(w, http.StatusOK, "text/plain; charset=utf-8", logText(points)) // browsers save text/csv
	default:
		reply(w, http.StatusOK, logOf(addr, points))
	}
}

// logged reads the checks that are asked for: limit of them, 1 to 10,000, 100
// unless given; those since a time, oldest first, or the newest of four days,
// newest first; those of monitor, a vantage's name or number, "" or "*" for all.
// Checks that could not be made are not the member's.
func (p pages) logged(addr netip.Addr, q url.Values) (points []monitor.Point, err error) {
	limit, vantage, from := 100, strings.TrimPrefix(q.Get("monitor"), "*"), time.Now().Add(-4*24*time.Hour)
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		limit = min(max(n, 1), 10000)
	}
	epoch, err := strconv.ParseInt(q.Get("since"), 10, 64)
	since := err == nil && epoch > 0
	if since {
		from = time.Unix(epoch, 0)
	}
	for point, err := range p.History.Range(addr, from, time.Time{}) {
		if err != nil {
			return nil, err
		}
		name := point.Vantage
		if point.Outcome == monitor.Unmeasured || vantage != "" && vantage != name && vantage != strconv.Itoa(int(monitorID(name))) {
			continue
		}
		points = append(points, point)
		if len(points) == limit && since {
			break
		}
		if len(points) == 2*limit+1000 { // only the newest are wanted
			points = slices.Delete(points, 0, limit+1000)
		}
	}
	if !since {
		points = points[max(0, len(points)-limit):]
		slices.Reverse(points)
	}
	return points, nil
}

// entryOf has numbers to nine digits; what is behind the tenth comes of binary
// fractions.
func entryOf(p *monitor.Point) scoreEntry {
	nine := func(f float64) float64 { return math.Round(f*1e9) / 1e9 }
	e := scoreEntry{TS: p.Time.Unix(), Step: nine(p.Step), Score: nine(p.Score), MonitorID: monitorID(p.Vantage)}
	if p.Timed() {
		offset, rtt := nine(p.Offset.Seconds()), nine(p.RTT.Seconds()*1000)
		e.Offset, e.RTT = &offset, &rtt
	}
	return e
}

func logOf(addr netip.Addr, points []monitor.Point) scoreLog {
	l := scoreLog{History: []scoreEntry{}, Monitors: []scoreMonitor{}, Server: scoreServer{addr.Unmap().String()}}
	latest := map[string]*monitor.Point{}
	for i := range points {
		p := &points[i]
		l.History = append(l.History, entryOf(p))
		if last := latest[p.Vantage]; last == nil || p.Time.After(last.Time) {
			latest[p.Vantage] = p
		}
	}
	for name, p := range latest {
		l.Monitors = append(l.Monitors, scoreMonitor{monitorID(name), name, "monitor", p.Time.UTC().Format(time.RFC3339), math.Round(p.Score*10) / 10, "active"})
	}
	slices.SortFunc(l.Monitors, func(a, b scoreMonitor) int { return strings.Compare(a.Name, b.Name) })
	return l
}

func logText(points []monitor.Point) []byte {
	number := func(f *float64) string {
		if f == nil {
			return ""
		}
		return strconv.FormatFloat(*f, 'f', -1, 64)
	}
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	out.Write([]string{"ts_epoch", "ts", "offset", "step", "score", "monitor_id", "monitor_name", "rtt", "leap", "error"})
	for i := range points {
		p := &points[i]
		e, leap, fault := entryOf(p), "", cmp.Or(p.Invalid, p.Err)
		if p.Leap != 0 {
			leap = strconv.Itoa(int(p.Leap))
		}
		if p.Kiss != "" {
			fault = "kiss code " + p.Kiss
		}
		out.Write([]string{
			strconv.FormatInt(e.TS, 10), p.Time.UTC().Format(time.DateTime), number(e.Offset), number(&e.Step), number(&e.Score),
			strconv.Itoa(int(e.MonitorID)), p.Vantage, number(e.RTT), leap, fault,
		})
	}
	out.Flush()
	return text.Bytes()
}
