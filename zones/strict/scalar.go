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
)

var (
	decimal  = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	fraction = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	zeros    = regexp.MustCompile(`(^|[.])0+([0-9])`)
	duration = regexp.MustCompile(`^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+$`)
)

// scalar parses what one scalar says, resolved by YAML as tag, into v. It
// returns what is wrong with it, or "". A text is kept even when it is not the
// one wanted, so that what refers to it is not reported as well.
func (p *plan) scalar(s, tag string, plain bool, v reflect.Value) string {
	if tag == "!!timestamp" { // a text in YAML 1.2
		tag = "!!str"
	}
	if plain && tag == "!!str" && s != "" && s[0] <= '9' && fraction.MatchString(s) { // too large for yaml.v3
		tag = "!!float"
	}
	if plain && strings.HasSuffix(s, ":") {
		return "YAML takes a colon at the end for a key: quote it: " + strconv.Quote(s)
	}
	switch p.kind {
	case flag:
		if tag != "!!bool" {
			return p.got(s, tag)
		}
		v.SetBool(strings.EqualFold(s, "true"))
		return ""
	case whole, real:
		return p.number(s, tag, v)
	}
	if tag != "!!str" {
		return p.got(s, tag)
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

// got is the fault of a scalar of the wrong type.
func (p *plan) got(s, tag string) string {
	got := map[string]string{"!!str": "the text " + Quote(s), "!!null": "nothing", "!!bool": s, "!!int": "the number " + s, "!!float": "the number " + s}[tag]
	switch {
	case tag == "!!null":
	case p.kind <= word && (p.pattern == nil || p.pattern.MatchString(s)) && len(p.enum) == 0:
		got += ": quote it"
	case p.kind == span:
		got += ", which has no unit: write " + s + "s"
	case p.kind == whole && decimal.MatchString(s), p.kind == real && fraction.MatchString(s):
		got += ": remove the quotes"
	}
	return "wants " + p.wants() + ", got " + got
}

func (p *plan) number(s, tag string, v reflect.Value) string {
	if tag != "!!int" && tag != "!!float" {
		return p.got(s, tag)
	}
	digits := strings.TrimLeft(s, "+-")
	switch {
	case len(digits) > 1 && digits[0] == '0' && strings.ContainsAny(digits[1:2], "xXbB"):
		return s + " is not decimal: write it in decimal"
	case strings.Contains(s, "_"):
		return fmt.Sprintf("%s has an underscore: write %s", s, strings.ReplaceAll(s, "_", ""))
	case len(digits) > 1 && digits[0] == '0' && strings.ContainsAny(digits[1:2], "0123456789oO"):
		return fmt.Sprintf("%s looks octal: write %s", s, or(strings.TrimLeft(digits, "0oO"), "0"))
	case p.kind == real && !fraction.MatchString(s), p.kind == whole && !decimal.MatchString(s):
		return p.got(s, tag)
	}
	var err error
	var f float64
	switch s = strings.TrimPrefix(s, "+"); {
	case p.kind == real:
		f, err = strconv.ParseFloat(s, v.Type().Bits())
		v.SetFloat(f)
	case v.CanUint():
		var n uint64
		n, err = strconv.ParseUint(s, 10, v.Type().Bits())
		v.SetUint(n)
		f = float64(n)
	default:
		var n int64
		n, err = strconv.ParseInt(s, 10, v.Type().Bits())
		v.SetInt(n)
		f = float64(n)
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
