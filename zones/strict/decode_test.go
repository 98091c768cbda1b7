package strict

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// everything has a field of each kind.
type everything struct {
	Text    string           `yaml:"text" max:"20"`
	Name    string           `yaml:"name" form:"label"`
	Mail    string           `yaml:"mail" form:"mailbox"`
	Word    string           `yaml:"word" enum:"red green blue"`
	Flag    bool             `yaml:"flag" default:"true"`
	Small   int8             `yaml:"small"`
	Whole   int              `yaml:"whole" min:"-3" max:"300" default:"7"`
	Count   uint16           `yaml:"count" min:"1"`
	Real    float64          `yaml:"real" min:"0" max:"1"`
	Span    time.Duration    `yaml:"span" min:"1s" max:"1h" default:"64s"`
	Addr    netip.Addr       `yaml:"addr"`
	Net     netip.Prefix     `yaml:"net"`
	Listen  []netip.AddrPort `yaml:"listen" max:"2"`
	Words   []string         `yaml:"words" min:"1" max:"3" pattern:"^[a-z]+$" is:"a word"`
	Numbers []int            `yaml:"numbers"`
	Colour  colour           `yaml:"colour" enum:"red green blue"`
	Either  either           `yaml:"either" enum:"on off"`
	Spot    spot             `yaml:"spot"`
	Nested  nested           `yaml:"nested"`
	Servers []server         `yaml:"servers" max:"2"`
	Map     []redirect       `yaml:"map"`
	Skipped chan int         `yaml:"-"`
	_       chan int
}

type nested struct {
	Deep   bool          `yaml:"deep"`
	Every  time.Duration `yaml:"every" default:"5s"`
	Needed string        `yaml:"needed,required"`
}

type server struct {
	Name string `yaml:",key" form:"domain"`
	Port int    `yaml:"port" default:"53"`
}

type redirect struct {
	From netip.Addr     `yaml:",key"`
	To   netip.AddrPort `yaml:",value"`
}

type colour int

func (c *colour) UnmarshalText(text []byte) error {
	if *c = colour(strings.Index("red green blue", string(text))); *c == 4 {
		return errors.New("green is sold out")
	}
	return nil
}

type either struct {
	On   bool     `yaml:"-"`
	List []string `yaml:"list,required"`
}

func (e *either) UnmarshalText(text []byte) error { e.On = string(text) == "on"; return nil }

type spot struct {
	X     int  `yaml:"x,item" min:"0"`
	Y     int  `yaml:"y,item" min:"0"`
	Known bool `yaml:",given"`
}

func TestDecode(t *testing.T) {
	var got everything
	d := Decode("x.yaml", []byte(`
text: no
name: a-b
mail: a.b+c@example.org
word: green
flag: false
small: -128
whole: +300
count: 65535
real: 1e-1
span: 1m30s
addr: fd00::1
net: 10.0.0.0/8
listen: ["[::1]:53", 127.0.0.1:53]
words: [yes, no]
numbers: []
colour: blue
either: {list: [a]}
spot: [3, 4]
nested: {deep: true, needed: 2026-01-01}
servers: {b.example: {port: 54}, a: {}}
map: {10.0.0.1: 127.0.0.1:1123, "fd00::": "[::1]:123"}
`), &got)
	want := everything{
		Text: "no", Name: "a-b", Mail: "a.b+c@example.org", Word: "green", Small: -128, Whole: 300, Count: 65535, Real: 0.1,
		Span: 90 * time.Second, Addr: netip.MustParseAddr("fd00::1"), Net: netip.MustParsePrefix("10.0.0.0/8"),
		Listen: []netip.AddrPort{netip.MustParseAddrPort("[::1]:53"), netip.MustParseAddrPort("127.0.0.1:53")},
		Words:  []string{"yes", "no"}, Numbers: []int{}, Colour: 10, Either: either{List: []string{"a"}}, Spot: spot{3, 4, true},
		Nested:  nested{Deep: true, Every: 5 * time.Second, Needed: "2026-01-01"},
		Servers: []server{{"b.example", 54}, {"a", 53}},
		Map: []redirect{{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddrPort("127.0.0.1:1123")},
			{netip.MustParseAddr("fd00::"), netip.MustParseAddrPort("[::1]:123")}},
	}
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDefaults(t *testing.T) {
	var got everything
	if err := Decode("x.yaml", []byte("text: a"), &got).Err(); err != nil {
		t.Fatal(err)
	}
	want := everything{Text: "a", Flag: true, Whole: 7, Span: 64 * time.Second, Nested: nested{Every: 5 * time.Second}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// faulty is one thing wrong each, and what is said of it.
var faulty = []struct{ in, want string }{
	{"", "x.yaml:1:1: is empty"},
	{"---\n...\n", "x.yaml:1:1: is empty"},
	{"~", "x.yaml:1:1: is empty"},
	{"[]", "x.yaml:1:1: wants a mapping, got a list"},
	{"text: a\n---\n", `x.yaml:3:1: a second document (after ---) is not taken: one file, one document`},
	{"text: a\n---\n{", `x.yaml:3:1: is not YAML: did not find expected node content`},
	{"text: \xff", "x.yaml:1:1: is not UTF-8"},
	{"text: a\nname: \x00", "x.yaml:2:1: has the control character U+0000"},
	{"text: 'a", "x.yaml:1:1: is not YAML: found unexpected end of stream"},
	{"text: a\n\tname: b", "x.yaml:2:1: is indented with a tab: use spaces"},
	{"addr: fd00::", `x.yaml:1:7: YAML takes the colon for a key: quote it: "fd00::"`},
	{"text: a\nlisten: [::1]", `x.yaml:2:10: YAML takes the colon for a key: quote it: "::1"`},
	{"words:\n- fd00::\n", `x.yaml:2:3: words[0]: YAML takes a colon at the end for a key: quote it: "fd00::"`},
	{"{addr: fd00::}", `x.yaml:1:8: addr: YAML takes a colon at the end for a key: quote it: "fd00::"`},
	{"map: {fd00::: 127.0.0.1:1}", `x.yaml:1:7: map["fd00::"]: YAML takes a colon at the end for a key: quote it: "fd00::"`},
	{strings.Repeat("[", 20_000), "x.yaml:1:1: is not YAML: exceeded max depth of 10000"},
	{"whole: " + strings.Repeat("9", 1000), "x.yaml:1:8: whole: must be -3 to 300, is " + strings.Repeat("9", 500-len("must be -3 to 300, is ")) + "…"},
	{"text: &a x", "x.yaml:1:7: text: anchors (&a) are not taken: write the value out where it is wanted"},
	{"text: *a", "x.yaml:1:1: is not YAML: unknown anchor 'a' referenced"},
	{"a: &a [x]\nwords: *a", "x.yaml:1:1: unknown key \"a\"\nx.yaml:2:8: words: aliases (*a) are not taken: write the value out"},
	{"<<: {text: a}", "x.yaml:1:1: merge keys (<<) are not taken: write the keys out"},
	{"servers: {<<: {}}", "x.yaml:1:11: servers: merge keys (<<) are not taken: write the keys out"},
	{"text: !!str 5", `x.yaml:1:7: text: tags ("!!str") are not taken`},
	{"? [a]\n: b", "x.yaml:1:3: lists and mappings are not taken for keys"},
	{"txet: a", `x.yaml:1:1: unknown key "txet" (did you mean "text"?)`},
	{"zzz: a", `x.yaml:1:1: unknown key "zzz"`},
	{"text: a\ntext: b", `x.yaml:2:1: duplicate key "text" (first at line 1)`},
	{"servers: {a: {}, b: {}, a: {}}", "x.yaml:1:10: servers: length must be 0 to 2, is 3\nx.yaml:1:25: servers: duplicate key \"a\" (first at line 1)"},

	{"text: 5", "x.yaml:1:7: text: wants a text, got the number 5: quote it"},
	{"text: true", "x.yaml:1:7: text: wants a text, got true: quote it"},
	{"text:", "x.yaml:1:6: text: wants a text, got nothing"},
	{"text: {a: b}", "x.yaml:1:7: text: wants a text, got a mapping"},
	{`text: "a\nb"`, "x.yaml:1:7: text: has a line break or control character"},
	{`text: "\e[31m"`, "x.yaml:1:7: text: has a line break or control character"},
	{"text: aaaaaaaaaabbbbbbbbbbc", "x.yaml:1:7: text: length must be 0 to 20, is 21"},
	{"name: A.", `x.yaml:1:7: name: "A." is not one label of a DNS name: 1 to 63 of a-z, 0-9 and hyphens, none at the ends (did you mean "a"?)`},
	{"mail: example.org", `x.yaml:1:7: mail: "example.org" is not a mailbox such as hostmaster@example.org`},
	{"word: gren", `x.yaml:1:7: word: "gren" is not red, green or blue (did you mean "green"?)`},
	{"flag: yes", `x.yaml:1:7: flag: wants true or false, got the text "yes"`},
	{"flag: 'true'", `x.yaml:1:7: flag: wants true or false, got the text "true": remove the quotes`},
	{"flag: 1", "x.yaml:1:7: flag: wants true or false, got the number 1"},
	{"small: 128", "x.yaml:1:8: small: must be -128 to 127, is 128"},
	{"small: -129", "x.yaml:1:8: small: must be -128 to 127, is -129"},
	{"whole: 99999999999999999999", "x.yaml:1:8: whole: must be -3 to 300, is 99999999999999999999"},
	{"whole: -4", "x.yaml:1:8: whole: must be -3 to 300, is -4"},
	{"whole: 010", "x.yaml:1:8: whole: 010 is not plain decimal: write 10"},
	{"whole: 0o10", "x.yaml:1:8: whole: 0o10 is not plain decimal: write 10"},
	{"whole: 08", "x.yaml:1:8: whole: 08 is not plain decimal: write 8"},
	{"whole: 00", "x.yaml:1:8: whole: 00 is not plain decimal: write 0"},
	{"whole: 0x10", "x.yaml:1:8: whole: 0x10 is not plain decimal: write 16"},
	{"whole: 1_0", "x.yaml:1:8: whole: 1_0 is not plain decimal: write 10"},
	{"whole: 4.0", "x.yaml:1:8: whole: wants a whole number, got the number 4.0"},
	{"whole: '4'", `x.yaml:1:8: whole: wants a whole number, got the text "4": remove the quotes`},
	{"whole: .inf", "x.yaml:1:8: whole: wants a whole number, got the number .inf"},
	{"count: 0", "x.yaml:1:8: count: must be 1 to 65535, is 0"},
	{"count: -1", "x.yaml:1:8: count: must be 1 to 65535, is -1"},
	{"real: .nan", "x.yaml:1:7: real: wants a number, got the number .nan"},
	{"real: 1e999", `x.yaml:1:7: real: must be 0 to 1, is 1e999`},
	{"real: 01.5", "x.yaml:1:7: real: 01.5 is not plain decimal: write 1.5"},
	{"real: -00.50", "x.yaml:1:7: real: -00.50 is not plain decimal: write -0.50"},
	{"real: -0.1", "x.yaml:1:7: real: must be 0 to 1, is -0.1"},
	{"span: 64", "x.yaml:1:7: span: wants a duration such as 150s, got the number 64, which has no unit: write 64s"},
	{"span: 9999", "x.yaml:1:7: span: wants a duration such as 150s, got the number 9999"}, // nor are 9999s right
	{"span: -5s", `x.yaml:1:7: span: "-5s" is not a duration such as 150s, 5m or 1h30m`},
	{"span: 99999999999h", `x.yaml:1:7: span: "99999999999h" is not a duration such as 150s, 5m or 1h30m`},
	{"span: 999ms", "x.yaml:1:7: span: must be 1s to 1h, is 999ms"},
	{"addr: ntp.example", `x.yaml:1:7: addr: "ntp.example" is not an IP address`},
	{"addr: 10.0.0.1/8", `x.yaml:1:7: addr: "10.0.0.1/8" is a network, wants an address`},
	{"addr: fe80::1%eth0", `x.yaml:1:7: addr: "fe80::1%eth0" has a zone, which means something on one host only`},
	{"addr: ::ffff:10.0.0.1", `x.yaml:1:7: addr: "::ffff:10.0.0.1" is an IPv4 address in IPv6 clothes: write 10.0.0.1`},
	{"addr: 10.00.0.01", `x.yaml:1:7: addr: "10.00.0.01" is not an IP address (did you mean "10.0.0.1"?)`},
	{"net: 10.0.0.1/8", `x.yaml:1:6: net: 10.0.0.1/8 has bits set beyond its length (did you mean "10.0.0.0/8"?)`},
	{"net: ::ffff:10.0.0.0/104", `x.yaml:1:6: net: "::ffff:10.0.0.0/104" is an IPv4 address in IPv6 clothes: write 10.0.0.0/8`},
	{"net: ::ffff:0.0.0.0/90", `x.yaml:1:6: net: ::ffff:0.0.0.0/90 has bits set beyond its length (did you mean "::ffc0:0:0/90"?)`},
	{"listen: ['[::ffff:10.0.0.1]:53']", `x.yaml:1:10: listen[0]: "[::ffff:10.0.0.1]:53" is an IPv4 address in IPv6 clothes: write 10.0.0.1:53`},
	{"net: 10.0.0.1", `x.yaml:1:6: net: "10.0.0.1" has no length: wants a network such as 10.0.0.0/8`},
	{"net: 10.0.0.0/33", `x.yaml:1:6: net: "10.0.0.0/33" is not a network such as 10.0.0.0/8`},
	{"listen: [10.0.0.1]", `x.yaml:1:10: listen[0]: "10.0.0.1" is not an address and port such as 127.0.0.1:53`},
	{"listen: 10.0.0.1:53", `x.yaml:1:9: listen: wants a list of addresses with ports, got the text "10.0.0.1:53"`},
	{"words: []", "x.yaml:1:8: words: is empty: a list of texts belongs here"},
	{"words: [a, b, c, D]", "x.yaml:1:8: words: length must be 1 to 3, is 4\nx.yaml:1:18: words[3]: \"D\" is not a word (did you mean \"d\"?)"},
	{"numbers: [1, a]", `x.yaml:1:14: numbers[1]: wants a whole number, got the text "a"`},
	{"colour: green", "x.yaml:1:9: colour: green is sold out"},
	{"colour: 5", "x.yaml:1:9: colour: wants red, green or blue, got the number 5"},
	{"either: maybe", `x.yaml:1:9: either: "maybe" is not on or off`},
	{"either: [a]", "x.yaml:1:9: either: wants on or off or a mapping, got a list"},
	{"either: {}", `x.yaml:1:9: either: "list" is missing`},
	{"spot: [1]", "x.yaml:1:7: spot: wants a list of 2: [x, y], got a list of 1"},
	{"spot: [1, -1]", "x.yaml:1:11: spot[1]: must be 0 to 9223372036854775807, is -1"},
	{"nested: {}", `x.yaml:1:9: nested: "needed" is missing`},
	{"map: {'fd00::1': 127.0.0.1:1, 'FD00:0::1': 127.0.0.1:2}", `x.yaml:1:31: map["FD00:0::1"]: duplicate key fd00::1 (first at line 1)`},
	{"servers: [a]", "x.yaml:1:10: servers: wants a mapping, got a list"},
	{"servers: {A: {port: a}}", "x.yaml:1:11: servers.A: \"A\" is not a domain name: labels of 1 to 63 of a-z, 0-9 and hyphens, no dot at the end (did you mean \"a\"?)\n" +
		`x.yaml:1:21: servers.A.port: wants a whole number, got the text "a"`},
	{"servers: {010: {}}", "x.yaml:1:11: servers.010: wants a domain name: labels of 1 to 63 of a-z, 0-9 and hyphens, no dot at the end, got the number 010: quote it"},
}

func TestFaults(t *testing.T) {
	for _, c := range faulty {
		var got everything
		if err := Decode("x.yaml", []byte(c.in), &got).Err(); err == nil {
			t.Errorf("%q: no fault, want %s", c.in, c.want)
		} else if err.Error() != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.in, err, c.want)
		}
	}
}

func TestManyFaults(t *testing.T) {
	var got everything
	fs := Decode("x.yaml", []byte("numbers: ["+strings.Repeat("a, ", 5000)+"]"), &got).Faults()
	if len(fs) != maxFaults+1 || fs[maxFaults].String() != "x.yaml: and 4900 more faults" {
		t.Errorf("%d faults, the last %v", len(fs), fs[len(fs)-1])
	}
	d := Decode("x.yaml", []byte("numbers: [1]"), &got)
	for range maxFaults + 5 {
		d.Warn("beware", "numbers", 0)
	}
	if ws := d.Warnings(); len(ws) != maxFaults+1 || ws[0].Col != 11 || ws[maxFaults].String() != "x.yaml: and 5 more warnings" {
		t.Errorf("%d warnings, the last %v", len(ws), ws[len(ws)-1])
	}
}

func TestPosition(t *testing.T) {
	var got everything
	d := Decode("x.yaml", []byte("text: a\nservers:\n  a.b:\n    port: 5\nwords: [x,\n  y]\n"), &got)
	for _, c := range []struct {
		path []any
		want string
	}{
		{nil, "x.yaml:1:1: "},
		{[]any{"text"}, "x.yaml:1:7: text: "},
		{[]any{"servers"}, "x.yaml:2:1: servers: "}, // a mapping stands where its key does
		{[]any{"servers", "a.b"}, `x.yaml:3:3: servers["a.b"]: `},
		{[]any{"servers", "a.b", "port"}, `x.yaml:4:11: servers["a.b"].port: `},
		{[]any{"words", 1}, "x.yaml:6:3: words[1]: "},
		{[]any{"words", 2}, "x.yaml:5:1: words[2]: "}, // not there
		{[]any{"servers", "c"}, "x.yaml:2:1: servers.c: "},
	} {
		d.warnings = said{}
		if d.Warn("", c.path...); d.Warnings().Error() != c.want {
			t.Errorf("%v is at %s, want %s", c.path, d.Warnings(), c.want)
		}
	}
	if d.Broken() || d.Err() != nil || d.Line("words", 1) != "x.yaml:6" || !d.Has("words", 1) || d.Has("words", 2) || d.Has("servers", "c") {
		t.Errorf("Broken() = %v, Err() = %v, Line = %s", d.Broken(), d.Err(), d.Line("words", 1))
	}
	d.Fault("second", "words", 1)
	d.Fault("first", "text")
	if got := d.Err().Error(); got != "x.yaml:1:7: text: first\nx.yaml:6:3: words[1]: second" {
		t.Error(got)
	}
	if !d.Broken("words") || !d.Broken("words", 1) || d.Broken("words", 0) || d.Broken("servers") {
		t.Error("Broken does not follow the paths of faults")
	}
}

// TestTags: mistakes in tags are found the first time the type is used.
func TestTags(t *testing.T) {
	for name, into := range map[string]any{
		"no yaml tag": new(struct{ A int }),
		"no such kind": new(struct {
			A chan int `yaml:"a"`
		}),
		"bad default": new(struct {
			A int `yaml:"a" default:"x"`
		}),
		"bad bound": new(struct {
			A time.Duration `yaml:"a" min:"5"`
		}),
		"unknown form": new(struct {
			A string `yaml:"a" form:"poem"`
		}),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("Decode did not panic")
				}
			}()
			Decode("x.yaml", nil, into)
		})
	}
}

// TestDistance holds distance against its definition.
func TestDistance(t *testing.T) {
	var slow func(a, b string) int
	slow = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		same := 1
		if a[0] == b[0] {
			same = 0
		}
		d := min(slow(a[1:], b)+1, slow(a, b[1:])+1, slow(a[1:], b[1:])+same)
		if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
			d = min(d, slow(a[2:], b[2:])+1)
		}
		return d
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[abc]{0,5}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := distance(a, b), slow(a, b); got != want {
			t.Fatalf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}

func TestDidYouMean(t *testing.T) {
	for word, want := range map[string]string{
		"adresses": "addresses", "AT": "at", "nmae": "name", "sit": "site", "x": "", "": "", "networks": "", "xyzzy": "",
		strings.Repeat("a", 100): "",
	} {
		if want != "" {
			want = ` (did you mean "` + want + `"?)`
		}
		if got := DidYouMean(word, []string{"name", "addresses", "site", "at", "networks"}); got != want {
			t.Errorf("DidYouMean(%q) = %q, want %q", word, got, want)
		}
	}
}

// FuzzDecode: whatever stands in a file, faults are few, short, on one line
// each, inside the file, and without Go's words.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"whole: 999999999999999999999999999999", "text: a", "a: &a [*a]", "{{{{", "words: [a, b]", "map: {\"::\": \"[::]:1\"}", "spot: [1, 2]", "- - - -", "? a", "a: |\n b", "%YAML 1.1\n---\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var into everything
		fs := Decode("x.yaml", content, &into).Faults()
		if len(fs) > maxFaults+1 {
			t.Fatalf("%d faults", len(fs))
		}
		for _, fault := range fs {
			s := fault.String()
			if len(s) > 1000 || strings.ContainsAny(s, "\n\x1b") || strings.Contains(s, "strict.") || strings.Contains(s, "netip") {
				t.Errorf("fault %q", s)
			}
			breaks := 0 // as YAML counts them
			for _, b := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
				breaks += bytes.Count(content, []byte(b))
			}
			if lines := breaks + 2; fault.Line > lines {
				t.Errorf("fault on line %d of %d: %s", fault.Line, lines, s)
			}
		}
	})
}
