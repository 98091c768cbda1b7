package zones

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keys tells, for each key of each mapping, what both decoder and schema take,
// what both refuse, and what only the decoder can refuse.
var keys = map[string]map[string]struct{ good, bad, beyond []string }{
	"zone": {
		"name":           {good: []string{"pool.example", "a.b-c.d1", "corp"}, bad: []string{"Pool.example", "pool.example.", "a..b", "-a.b", "a_b", "5", "''", "[a]", "", strings.Repeat("abcdefghi.", 11) + "abcdefghi"}},
		"also":           {good: []string{"[]", "[a.example, b.example]"}, bad: []string{"a.example", "[A.example]", "{}", "[5]"}, beyond: []string{"[pool.example]", "[a.pool.example]", "[example]"}},
		"nameservers":    {good: []string{"{ns1.pool.example: [192.0.2.1, '2001:db8::1'], ns.other.example: []}"}, bad: []string{"{}", "[ns1.other.example]", "{ns1.other.example: 192.0.2.1}", "{NS1.other.example: []}", "{ns1.pool.example: [ns1]}", ""}, beyond: []string{"{ns1.pool.example: []}", "{pool.example: [192.0.2.1]}"}},
		"contact":        {good: []string{"hostmaster@example.org", "a.b@c"}, bad: []string{"example.org", "a@b@c", "a b@c", "'@c'", "a@"}},
		"ttl":            {good: []string{"150s", "1h30m", "24h"}, bad: []string{"150", "-1s", "1d", "soon", "[1s]", "''"}, beyond: []string{"0s", "25h", "1500ms"}},
		"negative_ttl":   {good: []string{"0s", "3h"}, bad: []string{"30", "30 s"}, beyond: []string{"4h", "1ms"}},
		"answers":        {good: []string{"1", "16"}, bad: []string{"0", "17", "-1", "1.5", "'4'", "many"}, beyond: []string{"010", "0x4", "4.0", "1_0"}},
		"floor":          {good: []string{"1", "1000"}, bad: []string{"0", "1001", "x"}},
		"floor_netspeed": {good: []string{"0", "1000000000000"}, bad: []string{"-1", "fast", "1.5"}},
		"min_sites":      {good: []string{"1", "4"}, bad: []string{"0", "17"}, beyond: []string{"5", "16"}},
		"strict":         {good: []string{"[]", "[asia, fra, uk]"}, bad: []string{"asia", "[Asia]", "{asia: true}"}, beyond: []string{"[tyo]", "[dmz]", "[asia, asia]"}},
		"ramp":           {good: []string{"11", "20"}, bad: []string{"10", "21"}},
		"profile":        {good: []string{"lan", "ntppool", "slow"}, bad: []string{"LAN", "5"}, beyond: []string{"wan"}},
		"readmit":        {good: []string{"10", "19"}, bad: []string{"9", "20"}},
		"hold":           {good: []string{"0s", "24h"}, bad: []string{"10"}, beyond: []string{"25h"}},
		"near":           {good: []string{"{}", "{percent: 0}", "{percent: 1000, km: 1}"}, bad: []string{"10", "{km: 0}", "{percent: -1}", "{miles: 5}"}},
		"serial":         {good: []string{"0", "4294967295"}, bad: []string{"-1", "4294967296", "'1'"}},
		"default":        {good: []string{"fra"}, bad: []string{"5", "[fra]"}, beyond: []string{"tyo"}},
		"ecs":            {good: []string{"on", "off", "{trusted: [10.0.0.0/8, 'fd00::/8']}"}, bad: []string{"true", "maybe", "[10.0.0.0/8]", "{trusted: []}", "{}", "{trusted: [all]}", "{on: true}"}, beyond: []string{"{trusted: [10.0.0.1/8]}"}},
		"report_channel": {good: []string{"a01.agent.example"}, bad: []string{"A.example", "agent.", "[a.example]", "''"}},
		"debug":          {good: []string{"[10.0.0.0/8, 'fd00::/8']"}, bad: []string{"on", "[]", "[all]"}, beyond: []string{"[10.0.0.1/8]"}},
	},
	"profile": {
		"max_stratum":       {good: []string{"1", "7"}, bad: []string{"0", "8"}},
		"max_root_distance": {good: []string{"1ms", "1500ms"}, bad: []string{"5"}, beyond: []string{"2s"}},
		"path":              {good: []string{"true", "false"}, bad: []string{"on", "1"}},
		"bands":             {good: []string{"[{up_to: 3s, from: 2, to: -4}]"}, bad: []string{"[]", "[[5ms, 1, 1]]", "[{up_to: 5ms, from: 1}]", "[{up_to: 5ms, from: 3, to: 1}]"}, beyond: []string{"[{up_to: 0s, from: 1, to: 1}]", "[{up_to: 5ms, from: 0, to: 1}]"}},
		"beyond":            {good: []string{"-5", "0.5"}, bad: []string{"2", "low"}},
	},
	"window": {
		"members":    {good: []string{"[a, gone]"}, bad: []string{"a", "[A]"}},
		"sites":      {good: []string{"[fra]"}, bad: []string{"fra", "[5]"}, beyond: []string{"[tyo]"}},
		"tags":       {good: []string{"[x]"}, bad: []string{"x", "['']"}},
		"start":      {good: []string{"2026-03-01 22:00", "'2026-12-31 00:00'"}, bad: []string{"2026-03-01", "22:00", "2026-03-01T22:00:00Z"}, beyond: []string{"2026-02-30 22:00"}},
		"in":         {good: []string{"UTC", "Europe/Berlin"}, bad: []string{"5"}, beyond: []string{"Europe/Nowhere", "Local"}},
		"for":        {good: []string{"1m", "168h"}, bad: []string{"60", "1d"}, beyond: []string{"1s", "169h"}},
		"every_days": {good: []string{"1", "366"}, bad: []string{"0", "367", "week"}},
		"drain":      {good: []string{"0s", "10h"}, bad: []string{"15"}, beyond: []string{"25h"}},
		"reason":     {good: []string{"CHG-4711"}, bad: []string{"4711"}},
	},
	"site": {
		"continent": {good: append([]string{}, Continents...), bad: []string{"eurasia", "Europe", "5", ""}},
		"country":   {good: []string{"de", "uk", "fr"}, bad: []string{"DE", "germany", "d", "5"}, beyond: []string{"xx"}},
		"at":        {good: []string{"[50.11, 8.68]", "[-90, 180]", "[0, 0]"}, bad: []string{"[50]", "[1, 2, 3]", "[91, 0]", "[0, -181]", "50", "{lat: 1}", "['1', '2']"}, beyond: []string{"[01, 2]"}},
		"networks":  {good: []string{"[]", "[10.0.0.0/8, 'fd00::/8']"}, bad: []string{"10.0.0.0/8", "[10.0.0.0]", "[all]", "[5]"}, beyond: []string{"[10.0.0.1/8]", "[10.0.0.0/8, 10.0.0.0/8]", "[10.0.0.0/33]"}},
	},
	"member": {
		"country":   {good: []string{"de", "uk"}, bad: []string{"DE", "germany"}, beyond: []string{"xx"}},
		"at":        {good: []string{"[50.11, 8.68]"}, bad: []string{"[91, 0]", "here"}},
		"name":      {good: []string{"ntp1", "ntp1.fra"}, bad: []string{"NTP1", "ntp1.", "5", "a b", ""}},
		"addresses": {good: []string{"[10.0.0.1, 'fd00::1']"}, bad: []string{"[]", "10.0.0.1", "[ntp1]", "[10.0.0.0/8]", "['fe80::1%eth0']", "[5]"}, beyond: []string{"[0.0.0.0]", "[224.0.0.1]", "['fe80::1']", "[10.0.0.1, 10.0.0.1]"}},
		"site":      {good: []string{"fra"}, bad: []string{"5", "[fra]"}, beyond: []string{"tyo"}},
		"netspeed":  {good: []string{"0", "1000000000"}, bad: []string{"-1", "1000000001", "fast", "1.5"}, beyond: []string{"010"}},
		"smear":     {good: []string{"true", "false"}, bad: []string{"1", "linear"}},
		"state":     {good: []string{"active", "drain", "off", "monitor", "fallback"}, bad: []string{"Active", "on", "true", "5", ""}},
		"reason":    {good: []string{"CHG-4711", "''", "größer"}, bad: []string{"4711", `"a\nb"`, `"\e"`, strings.Repeat("x", 201)}},
		"tags":      {good: []string{"[]", "[x, y-1, Z.z]"}, bad: []string{"x", "[a b]", "[5]", "['']"}},
	},
	"pool": {
		"include":        {good: []string{"[a]", "[a, b.c]"}, bad: []string{"[]", "a", "[A]"}, beyond: []string{"[a, a]"}},
		"exclude":        {good: []string{"[a]"}, bad: []string{"[]", "a", "[5]"}, beyond: []string{"[a, a]"}},
		"floor_netspeed": {good: []string{"0", "5"}, bad: []string{"-1"}},
		"min_sites":      {good: []string{"2"}, bad: []string{"0", "17"}},
		"tags":           {good: []string{"[x, y]"}, bad: []string{"[]", "x", "[a b]", ""}},
		"ttl":            {good: []string{"1s"}, bad: []string{"60", "x"}, beyond: []string{"0s", "25h", "1ms"}},
		"answers":        {good: []string{"16"}, bad: []string{"0", "17"}},
		"floor":          {good: []string{"1"}, bad: []string{"0", "1001"}},
	},
	"record": {
		"name":      {good: []string{"'@'", "'*'", "'*.lab'", "www", "_ntp._udp", "a-b.c"}, bad: []string{"WWW", "www.", "'*.*'", "a.*", "'@.a'", "5", "''", ""}, beyond: []string{"fra", "a.de", "sub", "a.sub", "_status", strings.Repeat("abcdefghi.", 24) + "abc"}},
		"ttl":       {good: []string{"1s", "168h"}, bad: []string{"60", "x"}, beyond: []string{"0s", "169h", "1ms"}},
		"addresses": {good: []string{"[192.0.2.1, '2001:db8::1']"}, bad: []string{"[]", "192.0.2.1", "[www]", "[5]"}, beyond: []string{"[0.0.0.0]", "[192.0.2.1, 192.0.2.1]"}},
		"cname":     {bad: []string{"example.org.", ".", "[a]", "5"}, beyond: []string{"example.org", "_x._y"}}, // never beside the txt
		"txt":       {good: []string{"['v=spf1 -all', '', 'größer', " + strings.Repeat("x", 600) + "]"}, bad: []string{"[]", "text", "[5]", "[{strings: [a]}]", `["a\nb"]`}, beyond: []string{"[a, a]"}},
		"mx":        {good: []string{"[{host: .}]", "[{preference: 65535, host: mail.example.org}]"}, bad: []string{"[]", "[{}]", "[mail.example.org]", "[{preference: 65536, host: a}]", "[{host: a.}]", "{host: a}"}, beyond: []string{"[{preference: 1, host: .}]", "[{host: .}, {host: a}]"}},
		"srv":       {good: []string{"[{port: 123, target: a.b}, {priority: 1, weight: 2, port: 3, target: .}]"}, bad: []string{"[]", "[{port: 123}]", "[{target: a}]", "[{port: ntp, target: a}]"}},
		"caa":       {good: []string{"[{tag: issue, value: ';'}, {tag: iodef, value: 'mailto:a@b', critical: true}]"}, bad: []string{"[]", "[{tag: issue}]", "[{tag: ISSUE, value: a}]", "[{tag: issue, value: a, critical: 1}]"}},
		"ptr":       {good: []string{"[a.example, _b.example]"}, bad: []string{"[]", "a.example", "[a.]", "[.]"}, beyond: []string{"[a, a]"}},
	},
	"delegation": {
		"ttl":         {good: []string{"1s", "168h"}, bad: []string{"60"}, beyond: []string{"0s", "1ms"}},
		"nameservers": {good: []string{"{ns.sub.pool.example: [192.0.2.1, '2001:db8::1'], ns.other.example: []}"}, bad: []string{"{}", "[ns1.other.example]", "{NS1.other.example: []}", ""}, beyond: []string{"{ns.sub.pool.example: []}", "{ns.sub.pool.example: [0.0.0.0]}"}},
		"ds":          {good: []string{"['12345 13 1 " + strings.Repeat("aF", 20) + "']", "['0 0 2 " + strings.Repeat("00 ", 32) + "']", "['65535 255 4 " + strings.Repeat("09", 48) + "']"}, bad: []string{"[]", "1 13 2 00", "['1 13 3 00']", "['1 13 2']", "[5]", "['a 13 2 00']"}, beyond: []string{"['1 13 2 00']", "['65536 13 1 " + strings.Repeat("00", 20) + "']"}},
	},
}

// render writes a registry in which one key of one mapping has the value.
func render(mapping, key, value string) string {
	base := map[string]map[string]string{
		"zone":    {"name": "pool.example", "nameservers": "{ns.other.example: []}"},
		"site":    {"country": "de"},
		"member":  {"name": "a", "addresses": "[10.0.0.1]"},
		"pool":    {"tags": "[x]"},
		"window":  {"sites": "[fra]", "start": "2026-03-01 22:00", "for": "2h"},
		"profile": {"bands": "[{up_to: 5ms, from: 1, to: 1}]"},
		"record":  {"name": "www", "txt": "[x]"}, "delegation": {"nameservers": "{ns.other.example: []}"},
	}
	base[mapping][key] = value
	flow := func(name string) string {
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(base[name])) {
			parts = append(parts, k+": "+base[name][k])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprintf("zone: %s\nsites: {fra: %s}\nmembers: [%s]\npools: {dmz: %s}\nprofiles: {slow: %s}\nrecords: [%s]\ndelegations: {sub: %s}\nmaintenance: {patch: %s}\n",
		flow("zone"), flow("site"), flow("member"), flow("pool"), flow("profile"), flow("record"), flow("delegation"), flow("window"))
}

// TestSchemaAgrees holds schema and decoder against each other, value by value.
func TestSchemaAgrees(t *testing.T) {
	schema := compile(t, Schema())
	try := func(content string, decodes, validates bool) {
		t.Helper()
		var v any
		if err := yaml.Unmarshal([]byte(content), &v); err != nil {
			t.Fatalf("%s\n%v", content, err)
		}
		if _, err := parse([]source{{"pool.yaml", []byte(content)}}); (err == nil) != decodes {
			t.Errorf("%sdecoder: %v", content, err)
		}
		if err := schema.Validate(v); (err == nil) != validates {
			t.Errorf("%sschema: %v", content, err)
		}
	}
	for mapping, fields := range keys {
		for key, c := range fields {
			for _, value := range c.good {
				try(render(mapping, key, value), true, true)
			}
			for _, value := range c.bad {
				try(render(mapping, key, value), false, false)
			}
			for _, value := range c.beyond {
				try(render(mapping, key, value), false, true)
			}
		}
		try(render(mapping, "unknown", "x"), false, false)
	}
	for _, missing := range []string{"zone: {name: a.b}\n", "zone: {nameservers: {ns.example: []}}\n", "members: []\n", "x: 1\n", "[]\n"} {
		try(missing, false, false)
	}
}

// TestSchemaCovered: every key that may be written is told about, and is held
// against the decoder above.
func TestSchemaCovered(t *testing.T) {
	type node struct {
		Description          string
		Properties           map[string]node
		Items                json.RawMessage
		AdditionalProperties json.RawMessage
	}
	inner := func(raw json.RawMessage) (n node) {
		if err := json.Unmarshal(raw, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	root := inner(Schema()).Properties
	for mapping, n := range map[string]node{"zone": root["zone"], "site": inner(root["sites"].AdditionalProperties),
		"member": inner(root["members"].Items), "pool": inner(root["pools"].AdditionalProperties), "profile": inner(root["profiles"].AdditionalProperties),
		"record": inner(root["records"].Items), "delegation": inner(root["delegations"].AdditionalProperties), "window": inner(root["maintenance"].AdditionalProperties)} {
		if got, want := slices.Sorted(maps.Keys(n.Properties)), slices.Sorted(maps.Keys(keys[mapping])); !slices.Equal(got, want) {
			t.Errorf("%s: schema has %v, tried are %v", mapping, got, want)
		}
		for key, p := range n.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", mapping, key)
			}
		}
	}
}

func TestMembersSchema(t *testing.T) {
	schema := compile(t, MembersSchema())
	for content, want := range map[string]bool{
		"members: [{name: a, addresses: [10.0.0.1]}]": true,
		"members: []":          true,
		"members: [{name: a}]": false,
		"{}":                   false,
		"members: []\nzone: {name: a, nameservers: {ns.other: []}}": false,
	} {
		var v any
		if err := yaml.Unmarshal([]byte(content), &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); (err == nil) != want {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestTagsFollowValues(t *testing.T) {
	for _, c := range []struct {
		schema []byte
		words  []string
	}{{Schema(), Continents}, {Schema(), states[:]}} {
		var compact bytes.Buffer
		if err := json.Compact(&compact, c.schema); err != nil {
			t.Fatal(err)
		}
		if want, _ := json.Marshal(c.words); !bytes.Contains(compact.Bytes(), append([]byte(`"enum":`), want...)) {
			t.Errorf("no enum of %s in the schema", want)
		}
	}
}
