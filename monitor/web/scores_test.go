package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestScoreLog(t *testing.T) {
	v, now := pool(), time.Now()
	o := Options{History: past(t, v.Members[0].Address, now)}
	log := func(query string) [][]string {
		rows, err := csv.NewReader(strings.NewReader(pageOf(t, v, o, "/scores/10.16.0.11/log"+query))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := log("")
	if head := strings.Join(rows[0], ","); head != "ts_epoch,ts,offset,step,score,monitor_id,monitor_name,rtt,leap,error" {
		t.Errorf("header %s", head)
	}
	if len(rows) != 101 || rows[1][0] < rows[2][0] {
		t.Errorf("%d rows, the first of %s, then %s: want 100 and the newest first", len(rows)-1, rows[1][0], rows[2][0])
	}
	if got, want := strings.Join(rows[1][2:], ","), "0.00002,0,-40,"+rows[1][5]+",here,0.3,,"; got != want {
		t.Errorf("an answer is %s, want %s", got, want)
	}
	if got := log("?limit=15")[11:][0]; got[2] != "" || got[3] != "-5" || got[7] != "" || got[9] != "no answer" {
		t.Errorf("silence is %q", got)
	}
	since := now.Add(-100*time.Minute - time.Second).Unix()
	if rows := log(fmt.Sprintf("?limit=3&since=%d", since)); len(rows) != 4 || rows[1][0] > rows[2][0] || rows[1][2] != "0.4" {
		t.Errorf("since %d: %q", since, rows)
	}
	for query, want := range map[string]int{"?monitor=here": 100, "?monitor=*": 100, "?monitor=" + rows[1][5]: 100, "?monitor=there": 0, "?limit=0": 1, "?limit=x": 100, "?limit=99999": 1334} {
		if got := len(log(query)) - 1; got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
}

func TestScoreJSON(t *testing.T) {
	v := pool()
	o := Options{History: past(t, v.Members[0].Address, time.Now())}
	var got struct {
		History []struct {
			TS                  int64
			Offset, Step, Score *float64
			MonitorID           int `json:"monitor_id"`
		}
		Monitors []struct {
			ID                     int
			Name, Type, Status, Ts string
			Score                  float64
		}
		Server struct{ IP string }
	}
	if err := json.Unmarshal([]byte(pageOf(t, v, o, "/scores/10.16.0.11/json?limit=15")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.History) != 15 || got.History[0].Offset == nil || got.History[12].Offset != nil || *got.History[12].Step != -5 || got.Server.IP != "10.16.0.11" {
		t.Errorf("%+v", got)
	}
	if len(got.Monitors) != 1 || got.Monitors[0].Name != "here" || got.Monitors[0].ID != got.History[0].MonitorID || got.Monitors[0].Score != -40 {
		t.Errorf("monitors %+v", got.Monitors)
	}
	if text := pageOf(t, v, o, "/scores/fd12:3456:10::11/json"); !strings.Contains(text, `"history": []`) {
		t.Errorf("never checked: %s", text)
	}
	for path, want := range map[string]int{"/scores/10.16.0.11": 302, "/scores/192.0.2.1/log": 404, "/scores/nobody/json": 404, "/scores/10.16.0.11/graph": 404, "/scores/10.16.0.11/log": 404} {
		if w := get(t, v, "GET", "localhost", path); w.Code != want { // without a history
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}
