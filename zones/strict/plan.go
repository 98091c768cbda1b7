package strict

import (
	"cmp"
	"encoding"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// kind is how a value is written.
type kind uint8

const (
	text kind = iota
	word      // encoding.TextUnmarshaler
	flag
	whole
	real
	span
	addr
	prefix
	addrPort
	list   // from here on not a scalar
	table  // a mapping kept as a slice of structs
	tuple  // a list kept as a struct
	record // a mapping kept as a struct
)

// kinds are the names of each kind to the operator, one and many, and to JSON
// Schema, with the pattern that holds it there.
var kinds = [...]struct{ one, many, json, pattern string }{
	text:     {"a text", "texts", "string", `^[^\x00-\x1f\x7f-\x9f]*$`},
	word:     {"a text", "texts", "string", `^[^\x00-\x1f\x7f-\x9f]*$`},
	flag:     {"true or false", "true or false", "boolean", ""},
	whole:    {"a whole number", "whole numbers", "integer", ""},
	real:     {"a number", "numbers", "number", ""},
	span:     {"a duration such as 150s", "durations", "string", duration.String()},
	addr:     {"an IP address", "addresses", "string", ""},
	prefix:   {"a network such as 10.0.0.0/8", "networks", "string", `^[0-9A-Fa-f.:]+/[0-9]{1,3}$`},
	addrPort: {"an address and port such as 127.0.0.1:53", "addresses with ports", "string", `^([0-9.]+|\[[0-9A-Fa-f.:]+\]):[0-9]{1,5}$`},
	list:     {"a list", "lists", "array", ""},
	table:    {"a mapping", "mappings", "object", ""},
	tuple:    {"a list", "lists", "array", ""},
	record:   {"a mapping", "mappings", "object", ""},
}

// plan is how values of one type, with the tags they stand under, are written.
type plan struct {
	kind kind
	typ  reflect.Type

	min, max string // as tagged, or the type's own
	lo, hi   float64
	enum     []string
	pattern  *regexp.Regexp
	is       string

	elem    *plan // of a list's items, or what stands under a table's keys
	key     *plan // of a table's keys
	keyAt   int   // the field of a table's element that takes the key
	valueAt int   // the field that takes the value; −1: elem is the element itself
	text    *plan // of a record that may be written as text as well
	fields  []field
	names   []string // of fields
	given   int      // the field of a tuple that says whether it was written; −1: none
}

// field is one key of a record or item of a tuple.
type field struct {
	*plan
	at       int
	doc      string
	required bool
	preset   string        // the default as tagged
	missing  reflect.Value // the value for a missing key; the zero Value for none
}

const (
	label = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	under = `([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)` // as services and mail have them (RFC 8552)
	names = `(` + under + `\.)*` + under
)

// forms are the patterns that more than one field has, and what they are to people.
var forms = map[string][2]string{
	"label":   {`^` + label + `$`, "one label of a DNS name: 1 to 63 of a-z, 0-9 and hyphens, none at the ends"},
	"domain":  {`^(` + label + `\.)*` + label + `$`, "a domain name: labels of 1 to 63 of a-z, 0-9 and hyphens, no dot at the end"},
	"mailbox": {`^[A-Za-z0-9!#$%&'*+/=?^_{|}~.-]{1,63}@(` + label + `\.)*` + label + `$`, "a mailbox such as hostmaster@example.org"},
	"host":    {`^` + names + `$`, "a domain name: labels of 1 to 63 of a-z, 0-9, hyphens and underscores, no dot at the end"},
	"target":  {`^(\.|` + names + `)$`, "a domain name in full without the last dot, or a dot alone for nobody"},
	"owner":   {`^(@|\*|(\*\.)?` + names + `)$`, "a name relative to the zone: labels of a-z, 0-9, hyphens and underscores, *. in front for a wildcard, @ for the zone itself"},
	"tag":     {`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`, "a tag: 1 to 63 letters, digits, dots, hyphens and underscores"},
}

func planFor(t reflect.Type, tag reflect.StructTag) *plan {
	p := &plan{typ: t, min: tag.Get("min"), max: tag.Get("max"), is: tag.Get("is"), enum: strings.Fields(tag.Get("enum")), valueAt: -1, given: -1}
	pattern := tag.Get("pattern")
	if s := tag.Get("form"); s != "" {
		form, ok := forms[s]
		if !ok {
			panic("strict: no form " + s)
		}
		pattern, p.is = form[0], form[1]
	}
	if pattern != "" {
		p.pattern = regexp.MustCompile(pattern)
	}
	p.classify(tag)
	p.bound()
	return p
}

// exact are the types that are not told by what they are made of.
var exact = map[reflect.Type]kind{
	reflect.TypeFor[time.Duration]():  span,
	reflect.TypeFor[netip.Addr]():     addr,
	reflect.TypeFor[netip.Prefix]():   prefix,
	reflect.TypeFor[netip.AddrPort](): addrPort,
}

// classify finds out how values of the type are written.
func (p *plan) classify(tag reflect.StructTag) {
	_, words := reflect.New(p.typ).Interface().(encoding.TextUnmarshaler)
	special, isSpecial := exact[p.typ]
	switch k := p.typ.Kind(); {
	case isSpecial:
		p.kind = special
	case k == reflect.Struct:
		p.structure()
		if words {
			p.text = &plan{kind: word, typ: p.typ, enum: p.enum, pattern: p.pattern, is: p.is, hi: math.Inf(1)}
		}
	case words:
		p.kind = word
	case k == reflect.Slice:
		p.slice(tag)
	case k == reflect.String:
		p.kind = text
	case k == reflect.Bool:
		p.kind = flag
	case k >= reflect.Int && k <= reflect.Uint64:
		p.kind = whole
	case k == reflect.Float32 || k == reflect.Float64:
		p.kind = real
	default:
		panic(fmt.Sprintf("strict: %v cannot be decoded", p.typ))
	}
}

// bound parses min and max.
func (p *plan) bound() {
	if p.kind == whole {
		bits := p.typ.Bits()
		least, most := "0", strconv.FormatUint(1<<bits-1, 10)
		if p.typ.Kind() < reflect.Uint {
			least, most = strconv.FormatInt(-1<<(bits-1), 10), strconv.FormatInt(1<<(bits-1)-1, 10)
		}
		p.min, p.max = cmp.Or(p.min, least), cmp.Or(p.max, most)
	}
	p.lo, p.hi = p.limit(cmp.Or(p.min, "-Inf")), p.limit(cmp.Or(p.max, "+Inf"))
}

func (p *plan) limit(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if p.kind == span && !math.IsInf(x, 0) {
		var d time.Duration
		d, err = time.ParseDuration(s)
		x = float64(d)
	}
	if err != nil {
		panic("strict: " + err.Error())
	}
	return x
}

// structure plans a struct: a record or, when its fields are items, a tuple.
func (p *plan) structure() {
	p.kind = record
	for i := range p.typ.NumField() {
		sf := p.typ.Field(i)
		name, option, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case !sf.IsExported() || name == "-" || option == "key" || option == "value":
			continue
		case option == "given":
			p.given = i
			continue
		case name == "":
			panic(fmt.Sprintf("strict: %v.%s has no yaml tag", p.typ, sf.Name))
		case option == "item":
			p.kind = tuple
		}
		f := field{plan: planFor(sf.Type, sf.Tag), at: i, doc: sf.Tag.Get("doc"), required: option == "required", preset: sf.Tag.Get("default")}
		if f.preset != "" || f.kind == record {
			f.missing = f.blank(f.preset)
		}
		p.fields, p.names = append(p.fields, f), append(p.names, name)
	}
}

// slice plans a list or, when its elements are structs with a key, a table.
func (p *plan) slice(tag reflect.StructTag) {
	p.kind = list
	t := p.typ.Elem()
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		switch sf := t.Field(i); sf.Tag.Get("yaml") {
		case ",key":
			p.kind, p.keyAt, p.key = table, i, planFor(sf.Type, sf.Tag)
		case ",value":
			p.valueAt, p.elem = i, planFor(sf.Type, sf.Tag)
		}
	}
	if p.elem == nil { // min and max are the list's own
		p.elem = planFor(t, reflect.StructTag(fmt.Sprintf(`enum:%q pattern:%q is:%q form:%q`, tag.Get("enum"), tag.Get("pattern"), tag.Get("is"), tag.Get("form"))))
	}
	p.enum, p.pattern, p.is = nil, nil, ""
}

// blank is the value of what was not written: the default, a record's those of
// its fields.
func (p *plan) blank(preset string) reflect.Value {
	v := reflect.New(p.typ).Elem()
	for _, f := range p.fields {
		if f.missing.IsValid() {
			v.Field(f.at).Set(f.missing)
		}
	}
	if preset != "" {
		var n yaml.Node
		in := cmp.Or(p.text, p)
		if err := yaml.Unmarshal([]byte(preset), &n); err != nil || in.scalar(n.Content[0], v) != "" {
			panic(fmt.Sprintf("strict: default %q of %v", preset, p.typ))
		}
	}
	return v
}

// wants says what stands there when it is right: "a list of addresses".
func (p *plan) wants() string {
	switch {
	case p.kind == list:
		return "a list of " + kinds[p.elem.kind].many
	case p.kind == tuple:
		return fmt.Sprintf("a list of %d: [%s]", len(p.names), strings.Join(p.names, ", "))
	case p.text != nil:
		return p.text.wants() + " or a mapping"
	case p.kind <= word && p.is != "":
		return p.is
	case p.kind <= word && len(p.enum) > 0:
		return strings.Join(p.enum[:len(p.enum)-1], ", ") + " or " + p.enum[len(p.enum)-1]
	}
	return kinds[p.kind].one
}
