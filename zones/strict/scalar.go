package strict

import (
	"cmp"
	"encoding"
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

// scalar parses n, a scalar, into v. It returns what is wrong with it, or "". A
// text is kept even when it is not the one wanted, so that what refers to it is
// not reported as well.
func (p *plan) scalar(n *yaml.Node, v reflect.Value) string {
	s := n.Value
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && strings.HasSuffix(s, ":") {
		return colonKey + Quote(s)
	}
	switch tag := resolved(n); {
	case p.kind == flag && tag == "!!bool":
		n.Decode(v.Addr().Interface()) // as the tag says, it can
		return ""
	case (p.kind == whole || p.kind == real) && (tag == "!!int" || tag == "!!float"):
		return p.number(n, v)
	case p.kind == flag || p.kind == whole || p.kind == real || tag != "!!str":
		return p.mismatch(n)
	}
	switch p.kind {
	case span:
		return p.span(s, v)
	case addr, prefix, addrPort:
		return p.network(s, v)
	}
	what := p.words(s)
	if p.kind == text {
		v.SetString(s)
	} else if what == "" {
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return err.Error()
		}
	}
	return what
}

// resolved is the tag of a scalar in YAML 1.2, where a date is a text.
func resolved(n *yaml.Node) string {
	switch {
	case n.Tag == "!!timestamp":
		return "!!str"
	case n.Tag == "!!str" && n.Style == 0 && n.Value != "" && n.Value[0] <= '9' && fraction.MatchString(n.Value):
		return "!!float" // one too large for yaml.v3
	}
	return n.Tag
}

// mismatch is the fault of n being something else than wanted.
func (p *plan) mismatch(n *yaml.Node) string {
	var got, mend string
	switch tag := resolved(n); {
	case n.Kind == yaml.SequenceNode && p.kind == tuple:
		got = "a list of " + strconv.Itoa(len(n.Content))
	case n.Kind == yaml.SequenceNode:
		got = "a list"
	case n.Kind == yaml.MappingNode && p.kind < list && len(n.Content) == 2 && n.Content[1].Tag == "!!null":
		return colonKey + Quote(n.Content[0].Value+":")
	case n.Kind == yaml.MappingNode:
		got = "a mapping"
	case tag == "!!null":
		got = "nothing"
	case tag == "!!str":
		got = "the text " + Quote(n.Value)
		if p.kind == whole && decimal.MatchString(n.Value) || p.kind == real && fraction.MatchString(n.Value) {
			mend = ": remove the quotes"
		}
	default:
		got = "the number " + n.Value
		if tag == "!!bool" {
			got = n.Value
		}
		if p.kind <= word && (p.pattern == nil || p.pattern.MatchString(n.Value)) && len(p.enum) == 0 {
			mend = ": quote it"
		} else if p.kind == span && tag != "!!bool" {
			mend = ", which has no unit: write " + n.Value + "s"
		}
	}
	return "wants " + p.wants() + ", got " + got + mend
}

func (p *plan) number(n *yaml.Node, v reflect.Value) string {
	s, form := n.Value, fraction
	if p.kind == whole {
		form = decimal
	}
	if !form.MatchString(s) {
		plain := padding.ReplaceAllString(strings.ReplaceAll(s, "_", ""), "$1$2")
		if x, err := strconv.ParseInt(s, 0, 64); err == nil && !form.MatchString(plain) {
			plain = strconv.FormatInt(x, 10)
		}
		if form.MatchString(plain) {
			return s + " is not plain decimal: write " + plain
		}
		return p.mismatch(n)
	}
	x, _ := strconv.ParseFloat(s, 64) // what is out of range is infinite
	if n.Decode(v.Addr().Interface()) == nil && p.within(x) {
		return ""
	}
	v.SetZero()
	return p.outside(s)
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

func (p *plan) within(x float64) bool { return x >= p.lo && x <= p.hi }

// outside is the fault of having s of something where the plan has bounds.
func (p *plan) outside(s string) string {
	if p.max == "" {
		return "must be " + p.min + " or more, is " + s
	}
	return "must be " + cmp.Or(p.min, "0") + " to " + p.max + ", is " + s
}

// network parses an address, a prefix or an address with a port.
func (p *plan) network(s string, v reflect.Value) (what string) {
	v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)) // v stays invalid on an error
	var a netip.Addr
	masked := ""
	switch x := v.Interface().(type) {
	case netip.Addr:
		a = x
	case netip.AddrPort:
		a = x.Addr()
	case netip.Prefix:
		if a = x.Addr(); x != x.Masked() {
			masked = x.Masked().String()
		}
	}
	switch {
	case masked != "":
		what = fmt.Sprintf("%s has bits set beyond its length (did you mean %q?)", s, masked)
	case a.Zone() != "":
		what = Quote(s) + " has a zone, which means something on one host only"
	case a.Is4In6():
		what = fmt.Sprintf("%s is an IPv4 address in IPv6 clothes: write %s", Quote(s), a.Unmap())
	case a.IsValid():
		return ""
	case p.kind == addr && strings.Contains(s, "/"):
		what = Quote(s) + " is a network, wants an address"
	case p.kind == prefix && !strings.Contains(s, "/"):
		what = Quote(s) + " has no length: wants a network such as 10.0.0.0/8"
	default:
		what = Quote(s) + " is not " + p.wants()
		if t := zeros.ReplaceAllString(s, "$1$2"); t != s && !strings.Contains(s, ":") {
			what += fmt.Sprintf(" (did you mean %q?)", t)
		}
	}
	v.SetZero()
	return what
}

// words holds a text against enum, length and pattern.
func (p *plan) words(s string) string {
	if len(p.enum) > 0 {
		if slices.Contains(p.enum, s) {
			return ""
		}
		return fmt.Sprintf("%s is not %s%s", Quote(s), p.wants(), DidYouMean(s, p.enum))
	}
	switch n := utf8.RuneCountInString(s); {
	case strings.ContainsFunc(s, unicode.IsControl):
		return "has a line break or control character"
	case !p.within(float64(n)):
		return "length " + p.outside(strconv.Itoa(n))
	case p.pattern == nil || p.pattern.MatchString(s):
		return ""
	}
	what := Quote(s) + " is not " + cmp.Or(p.is, "of the form "+p.pattern.String())
	if t := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), "."); t != s && p.pattern.MatchString(t) {
		what += " (did you mean " + Quote(t) + "?)"
	}
	return what
}
