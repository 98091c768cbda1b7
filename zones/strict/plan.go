package strict

import (
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

// Shaped is a type that is written in another shape than it is kept in.
type Shaped interface {
	// Shape returns a pointer to a new value of the written shape.
	Shape() any
	// Take takes over what was written there. Its error is shown to the operator.
	Take(shape any) error
}

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
	shaped
)

// plan is how values of one type, with the tags they stand under, are written.
type plan struct {
	kind kind
	typ  reflect.Type

	min, max string // as tagged, or the type's own
	lo, hi   float64
	enum     []string
	pattern  *regexp.Regexp
	is       string

	elem    *plan // of a list's items, under a table's keys, of a shape
	key     *plan // of a table's keys
	keyAt   int   // the field of a table's element that takes the key
	valueAt int   // the field that takes the value; -1: elem is the element itself
	text    *plan // of a record that may be written as text as well
	fields  []field
	byName  map[string]int
}

// field is one key of a record or item of a tuple.
type field struct {
	*plan
	at       int
	name     string
	doc      string
	required bool
	tagged   string        // the default as tagged
	missing  reflect.Value // the value for a missing key; the zero Value for none
}

const label = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`

// forms are the patterns that more than one field has.
var forms = map[string]struct {
	pattern *regexp.Regexp
	is      string
}{
	"label":   {regexp.MustCompile(`^` + label + `$`), "one label of a DNS name: 1 to 63 of a-z, 0-9 and hyphens, none at the ends"},
	"domain":  {regexp.MustCompile(`^(` + label + `\.)*` + label + `$`), "a domain name: labels of 1 to 63 of a-z, 0-9 and hyphens, no dot at the end"},
	"mailbox": {regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~.-]{1,63}@(` + label + `\.)*` + label + `$`), "a mailbox such as hostmaster@example.org"},
	"tag":     {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`), "a tag: 1 to 63 letters, digits, dots, hyphens and underscores"},
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	shapedType      = reflect.TypeFor[Shaped]()
)

func planFor(t reflect.Type, tag reflect.StructTag) *plan {
	p := &plan{typ: t, min: tag.Get("min"), max: tag.Get("max"), is: tag.Get("is"), enum: strings.Fields(tag.Get("enum"))}
	if s := tag.Get("pattern"); s != "" {
		p.pattern = regexp.MustCompile(s)
	}
	if s := tag.Get("form"); s != "" {
		f, ok := forms[s]
		if !ok {
			panic("strict: no form " + s)
		}
		p.pattern, p.is = f.pattern, f.is
	}
	p.classify(tag)
	p.bound()
	return p
}

// classify finds out how values of the type are written.
func (p *plan) classify(tag reflect.StructTag) {
	t, ptr := p.typ, reflect.PointerTo(p.typ)
	switch {
	case t == reflect.TypeFor[time.Duration]():
		p.kind = span
	case t == reflect.TypeFor[netip.Addr]():
		p.kind = addr
	case t == reflect.TypeFor[netip.Prefix]():
		p.kind = prefix
	case t == reflect.TypeFor[netip.AddrPort]():
		p.kind = addrPort
	case ptr.Implements(shapedType):
		p.kind = shaped
		p.elem = planFor(reflect.TypeOf(reflect.New(t).Interface().(Shaped).Shape()).Elem(), tag)
	case t.Kind() == reflect.Struct:
		p.structure()
		if ptr.Implements(textUnmarshaler) {
			p.text = &plan{kind: word, typ: t, enum: p.enum, pattern: p.pattern, is: p.is, hi: math.Inf(1)}
		}
	case ptr.Implements(textUnmarshaler):
		p.kind = word
	case t.Kind() == reflect.Slice:
		p.slice(tag)
	case t.Kind() == reflect.String:
		p.kind = text
	case t.Kind() == reflect.Bool:
		p.kind = flag
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		p.kind = whole
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		p.kind = real
	default:
		panic(fmt.Sprintf("strict: %v cannot be decoded", t))
	}
}

// bound parses min and max.
func (p *plan) bound() {
	if p.kind == whole {
		if bits := p.typ.Bits(); p.typ.Kind() >= reflect.Uint {
			p.min, p.max = or(p.min, "0"), or(p.max, strconv.FormatUint(1<<bits-1, 10))
		} else {
			p.min, p.max = or(p.min, strconv.FormatInt(-1<<(bits-1), 10)), or(p.max, strconv.FormatInt(1<<(bits-1)-1, 10))
		}
	}
	p.lo, p.hi = p.limit(p.min, math.Inf(-1)), p.limit(p.max, math.Inf(1))
}

func (p *plan) limit(s string, none float64) float64 {
	if s == "" {
		return none
	}
	x, err := strconv.ParseFloat(s, 64)
	if p.kind == span {
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
	p.kind, p.byName = record, make(map[string]int)
	for i := range p.typ.NumField() {
		sf := p.typ.Field(i)
		name, option, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if !sf.IsExported() || name == "-" || option == "key" || option == "value" {
			continue
		}
		if name == "" {
			panic(fmt.Sprintf("strict: %v.%s has no yaml tag", p.typ, sf.Name))
		}
		if option == "item" {
			p.kind = tuple
		}
		f := field{plan: planFor(sf.Type, sf.Tag), at: i, name: name, doc: sf.Tag.Get("doc"), required: option == "required"}
		if s, ok := sf.Tag.Lookup("default"); ok {
			f.tagged, f.missing = s, f.preset(s)
		} else if f.kind == record {
			f.missing = f.blank()
		}
		p.byName[name] = len(p.fields)
		p.fields = append(p.fields, f)
	}
}

// slice plans a list or, when its elements are structs with a key, a table.
func (p *plan) slice(tag reflect.StructTag) {
	p.kind, p.keyAt, p.valueAt = list, -1, -1
	t := p.typ.Elem()
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		switch sf := t.Field(i); sf.Tag.Get("yaml") {
		case ",key":
			p.kind, p.keyAt, p.key = table, i, planFor(sf.Type, sf.Tag)
		case ",value":
			p.valueAt, p.elem = i, planFor(sf.Type, sf.Tag)
		}
	}
	if p.elem == nil {
		// min and max are the list's own
		p.elem = planFor(t, reflect.StructTag(fmt.Sprintf(`enum:%q pattern:%q is:%q form:%q`, tag.Get("enum"), tag.Get("pattern"), tag.Get("is"), tag.Get("form"))))
	}
	p.enum, p.pattern, p.is = nil, nil, ""
}

// preset is the value of a default tag.
func (p *plan) preset(s string) reflect.Value {
	v, in := reflect.New(p.typ).Elem(), p
	if p.text != nil {
		in = p.text
	}
	tag := "!!str"
	switch in.kind {
	case flag:
		tag = "!!bool"
	case whole, real:
		tag = "!!float"
	}
	if what := in.scalar(&yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: s}, v); what != "" {
		panic(fmt.Sprintf("strict: default %q: %s", s, what))
	}
	return v
}

// blank is the value of a record that was not written: its defaults.
func (p *plan) blank() reflect.Value {
	v := reflect.New(p.typ).Elem()
	for _, f := range p.fields {
		if f.missing.IsValid() {
			v.Field(f.at).Set(f.missing)
		}
	}
	return v
}

// nouns name the kinds to the operator, one and many.
var nouns = [...][2]string{
	text:     {"a text", "texts"},
	word:     {"a text", "texts"},
	flag:     {"true or false", "true or false"},
	whole:    {"a whole number", "whole numbers"},
	real:     {"a number", "numbers"},
	span:     {"a duration such as 150s", "durations"},
	addr:     {"an IP address", "addresses"},
	prefix:   {"a network such as 10.0.0.0/8", "networks"},
	addrPort: {"an address and port such as 127.0.0.1:53", "addresses with ports"},
	list:     {"a list", "lists"},
	table:    {"a mapping", "mappings"},
	tuple:    {"a list", "lists"},
	record:   {"a mapping", "mappings"},
}

// wants says what stands there when it is right: "a list of addresses".
func (p *plan) wants() string {
	switch {
	case p.kind == list && p.elem.kind != shaped:
		return "a list of " + nouns[p.elem.kind][1]
	case p.kind == tuple:
		names := make([]string, len(p.fields))
		for i, f := range p.fields {
			names[i] = f.name
		}
		return "a list of " + strconv.Itoa(len(names)) + ": [" + strings.Join(names, ", ") + "]"
	case p.text != nil:
		return p.text.wants() + " or a mapping"
	case p.kind <= word && p.is != "":
		return p.is
	case p.kind <= word && len(p.enum) > 0:
		return strings.Join(p.enum[:len(p.enum)-1], ", ") + " or " + p.enum[len(p.enum)-1]
	}
	return nouns[p.kind][0]
}
