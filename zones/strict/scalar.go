package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

var (
	decimal  = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	fraction = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	padding  = regexp.MustCompile(`^([-+]?)0[oO0]*([0-9])`)
	zeros    = regexp.MustCompile(`(^|[.])0+([0-9])`)
	duration = regexp.MustCompile(`^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$`)
)

const colonKey = "YAML takes a colon at the end for a key: quote it: "

// scalar reads n into v. It returns what is wrong with it, or "".
func (p *plan) scalar(n *yaml.Node, v reflect.Value) string {
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && strings.HasSuffix(n.Value, ":"):
		return colonKey + Quote(n.Value)
	case n.Kind == yaml.ScalarNode && resolved(n) == p.tag:
		return p.set(n.Value, v)
	}
	return p.mismatch(n)
}

// resolved is the tag of a scalar in YAML 1.2, where a date is a text; of all
// numbers !!float.
func resolved(n *yaml.Node) string {
	switch {
	case n.Tag == "!!timestamp":
		return "!!str"
	case n.Tag == "!!int", n.Tag == "!!str" && n.Style == 0 && n.Value != "" && n.Value[0] <= '9' && fraction.MatchString(n.Value): // one too large for yaml.v3
		return "!!float"
	}
	return n.Tag
}

// mismatch is the fault of n being something else than wanted.
func (p *plan) mismatch(n *yaml.Node) string {
	var got, mend string
	switch tag := resolved(n); {
	case n.Kind == yaml.SequenceNode:
		got = "a list"
	case n.Kind == yaml.MappingNode && p.set != nil && len(n.Content) == 2 && n.Content[1].Tag == "!!null":
		return colonKey + Quote(n.Content[0].Value+":")
	case n.Kind == yaml.MappingNode:
		got = "a mapping"
	case tag == "!!null":
		got = "nothing"
	case tag == "!!str":
		got, mend = "the text "+Quote(n.Value), ": remove the quotes"
	case tag == "!!bool":
		got, mend = n.Value, ": quote it"
	default:
		got, mend = "the number "+n.Value, ": quote it"
		if p.takes(n.Value+"s") && !p.takes(n.Value) {
			return "wants " + p.one + ", got " + got + ", which has no unit: write " + n.Value + "s"
		}
	}
	if !p.takes(n.Value) {
		mend = ""
	}
	return "wants " + p.one + ", got " + got + mend
}

// takes reports whether s would do, written as it should be.
func (p *plan) takes(s string) bool {
	return p.set != nil && p.set(s, reflect.New(p.blank.Type()).Elem()) == ""
}

func flag(s string, v reflect.Value) string {
	v.SetBool(strings.EqualFold(s, "true"))
	if !v.Bool() && !strings.EqualFold(s, "false") {
		return Quote(s) + " is not true or false"
	}
	return ""
}

// number returns how plain decimal of that form is read.
func (p *plan) number(form *regexp.Regexp) func(s string, v reflect.Value) string {
	return func(s string, v reflect.Value) string {
		if !form.MatchString(s) {
			plain := padding.ReplaceAllString(strings.ReplaceAll(s, "_", ""), "$1$2")
			if x, err := strconv.ParseInt(s, 0, 64); err == nil && !form.MatchString(plain) {
				plain = strconv.FormatInt(x, 10)
			}
			if form.MatchString(plain) {
				return s + " is not plain decimal: write " + plain
			}
			return "wants " + p.one + ", got the number " + s
		}
		x, _ := strconv.ParseFloat(s, 64) // what is out of range is infinite
		if !p.within(x) || json.Unmarshal([]byte(strings.TrimPrefix(s, "+")), v.Addr().Interface()) != nil {
			return p.outside(s)
		}
		return ""
	}
}

func (p *plan) span(s string, v reflect.Value) string {
	d, err := time.ParseDuration(s)
	if !duration.MatchString(s) || err != nil {
		return Quote(s) + " is not a duration such as 150s, 5m or 1h30m"
	}
	if !p.within(float64(d)) {
		return p.outside(s)
	}
	v.SetInt(int64(d))
	return ""
}

// network reads an address, a prefix or an address with a port.
func (p *plan) network(s string, v reflect.Value) (what string) {
	v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)) // v stays invalid on an error
	var a netip.Addr
	isPrefix, masked, behind := false, "", ""
	switch x := v.Interface().(type) {
	case netip.Addr:
		a = x
	case netip.AddrPort:
		a, behind = x.Addr(), fmt.Sprintf(":%d", x.Port())
	case netip.Prefix:
		if a, isPrefix = x.Addr(), true; x != x.Masked() {
			masked = x.Masked().String()
		}
		behind = fmt.Sprintf("/%d", x.Bits()-96)
	}
	switch {
	case masked != "":
		what = fmt.Sprintf("%s has bits set beyond its length (did you mean %q?)", s, masked)
	case a.Zone() != "":
		what = Quote(s) + " has a zone, which means something on one host only"
	case a.Is4In6():
		what = fmt.Sprintf("%s is an IPv4 address in IPv6 clothes: write %s%s", Quote(s), a.Unmap(), behind)
	case a.IsValid():
		return ""
	case v.Type() == reflect.TypeFor[netip.Addr]() && strings.Contains(s, "/"):
		what = Quote(s) + " is a network, wants an address"
	case isPrefix && !strings.Contains(s, "/"):
		what = Quote(s) + " has no length: wants a network such as 10.0.0.0/8"
	default:
		what = Quote(s) + " is not " + p.one
		if t := zeros.ReplaceAllString(s, "$1$2"); t != s && !strings.Contains(s, ":") {
			what += fmt.Sprintf(" (did you mean %q?)", t)
		}
	}
	v.SetZero()
	return what
}

// wording holds a text against enum, length and form.
func (p *plan) wording(s string, enum []string, form *regexp.Regexp) string {
	if len(enum) > 0 {
		if slices.Contains(enum, s) {
			return ""
		}
		return fmt.Sprintf("%s is not %s%s", Quote(s), p.one, DidYouMean(s, enum))
	}
	switch n := utf8.RuneCountInString(s); {
	case strings.ContainsFunc(s, unicode.IsControl):
		return "has a line break or control character"
	case !p.within(float64(n)):
		return "length " + p.outside(strconv.Itoa(n))
	case form.MatchString(s):
		return ""
	}
	what := Quote(s) + " is not " + p.one
	if t := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), "."); t != s && form.MatchString(t) {
		what += " (did you mean " + Quote(t) + "?)"
	}
	return what
}
