package strict

import (
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
	zeros    = regexp.MustCompile(`(^|[.])0+([0-9])`)
	duration = regexp.MustCompile(`^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$`)
)

// scalar parses n, a scalar, into v. It returns what is wrong with it, or "". A
// text is kept even when it is not the one wanted, so that what refers to it is
// not reported as well.
func (p *plan) scalar(n *yaml.Node, v reflect.Value) string {
	s := n.Value
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && strings.HasSuffix(s, ":") {
		return "YAML takes a colon at the end for a key: quote it: " + Quote(s)
	}
	switch tag := resolved(n); {
	case p.kind == flag && tag == "!!bool":
		v.SetBool(strings.EqualFold(s, "true"))
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
		return "YAML takes a colon at the end for a key: quote it: " + Quote(n.Content[0].Value+":")
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
	s := n.Value
	digits := strings.TrimLeft(s, "+-")
	switch {
	case len(digits) > 1 && digits[0] == '0' && strings.ContainsAny(digits[1:2], "xXbB"):
		return s + " is not decimal: write it in decimal"
	case strings.Contains(s, "_"):
		return s + " has an underscore: write " + strings.ReplaceAll(s, "_", "")
	case len(digits) > 1 && digits[0] == '0' && strings.ContainsAny(digits[1:2], "0123456789oO"):
		return s + " looks octal: write " + or(strings.TrimLeft(digits, "0oO"), "0")
	case p.kind == real && !fraction.MatchString(s), p.kind == whole && !decimal.MatchString(s):
		return p.mismatch(n)
	}
	var err error
	var f float64
	switch bits := v.Type().Bits(); {
	case p.kind == real:
		f, err = strconv.ParseFloat(s, bits)
		v.SetFloat(f)
	case v.CanUint():
		var u uint64
		u, err = strconv.ParseUint(strings.TrimPrefix(s, "+"), 10, bits)
		v.SetUint(u)
		f = float64(u)
	default:
		var i int64
		i, err = strconv.ParseInt(s, 10, bits)
		v.SetInt(i)
		f = float64(i)
	}
	if err == nil && p.within(f) {
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
	return "must be " + or(p.min, "0") + " to " + p.max + ", is " + s
}

// network parses an address, a prefix or an address with a port.
func (p *plan) network(s string, v reflect.Value) string {
	var a netip.Addr
	var err error
	switch at := v.Addr().Interface().(type) {
	case *netip.Addr:
		a, err = netip.ParseAddr(s)
		*at = a
	case *netip.AddrPort:
		*at, err = netip.ParseAddrPort(s)
		a = at.Addr()
	case *netip.Prefix:
		*at, err = netip.ParsePrefix(s)
		a = at.Addr()
		if m := at.Masked(); err == nil && *at != m {
			*at = netip.Prefix{}
			return fmt.Sprintf("%s has bits set beyond its length (did you mean %q?)", s, m)
		}
	}
	switch {
	case err == nil && a.Zone() != "":
		err = fmt.Errorf("%s has a zone, which means something on one host only", Quote(s))
	case err == nil && a.Is4In6():
		err = fmt.Errorf("%s is an IPv4 address in IPv6 clothes: write %s", Quote(s), a.Unmap())
	case err == nil:
		return ""
	case p.kind == addr && strings.Contains(s, "/"):
		err = fmt.Errorf("%s is a network, wants an address", Quote(s))
	case p.kind == prefix && !strings.Contains(s, "/"):
		err = fmt.Errorf("%s has no length: wants a network such as 10.0.0.0/8", Quote(s))
	default:
		err = fmt.Errorf("%s is not %s", Quote(s), p.wants())
		if t := zeros.ReplaceAllString(s, "$1$2"); t != s && !strings.Contains(s, ":") {
			err = fmt.Errorf("%w (did you mean %q?)", err, t)
		}
	}
	v.SetZero()
	return err.Error()
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
	what := Quote(s) + " is not " + or(p.is, "of the form "+p.pattern.String())
	if t := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), "."); t != s && p.pattern.MatchString(t) {
		what += " (did you mean " + Quote(t) + "?)"
	}
	return what
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
