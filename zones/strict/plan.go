package strict

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// plan is how values of one type, with the tags they stand under, are written.
// What is made of a type is told in one place: how it is read, what it is called,
// and its JSON Schema.
type plan struct {
	node      yaml.Kind
	tag       string // of a scalar as YAML resolves it; !!float for all numbers
	one, many string // what is wanted, to people
	schema    object
	blank     reflect.Value // what holds where nothing is written
	text      *plan         // of a mapping that may be written as text as well

	set  func(s string, v reflect.Value) (what string)             // reads a scalar and says what is wrong with it
	fill func(d *Document, n *yaml.Node, v reflect.Value, at path) // reads a list or a mapping

	min, max string // as tagged, or the type's own
	lo, hi   float64
}

type object = map[string]any

// Schema returns the draft-07 JSON Schema of what Decode takes into a struct
// of into's type, indented. JSON Schema cannot say everything: it knows no
// ranges of durations, does not see bits beyond a network's length, the
// notation of numbers, duplicate keys, anchors or second documents.
func Schema(title string, into any) []byte {
	root := object{"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
	maps.Copy(root, planFor(reflect.TypeOf(into).Elem(), "").schema)
	b, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("strict: " + err.Error()) // maps, slices and strings always encode
	}
	return append(b, '\n')
}

var spanType = reflect.TypeFor[time.Duration]()

// networks are the types that are not told by what they are made of, what they are
// to people, and what they look like.
var networks = map[reflect.Type]struct{ one, many, pattern string }{
	reflect.TypeFor[netip.Addr]():     {"an IP address", "addresses", ""},
	reflect.TypeFor[netip.Prefix]():   {"a network such as 10.0.0.0/8", "networks", `^[0-9A-Fa-f.:]+/[0-9]{1,3}$`},
	reflect.TypeFor[netip.AddrPort](): {"an address and port such as 127.0.0.1:53", "addresses with ports", `^([0-9.]+|\[[0-9A-Fa-f.:]+\]):[0-9]{1,5}$`},
}

func planFor(t reflect.Type, tags reflect.StructTag) *plan {
	p := &plan{node: yaml.ScalarNode, tag: "!!str", blank: reflect.New(t).Elem(), min: tags.Get("min"), max: tags.Get("max")}
	least, most := "", "" // what the schema calls the bounds
	network, isNetwork := networks[t]
	_, words := p.blank.Addr().Interface().(encoding.TextUnmarshaler)
	switch k := t.Kind(); {
	case isNetwork:
		p.one, p.many, p.set = network.one, network.many, p.network
		if p.schema = (object{"type": "string", "pattern": network.pattern}); network.pattern == "" {
			p.schema = object{"type": "string", "anyOf": []object{{"format": "ipv4"}, {"format": "ipv6"}}}
		}
	case t == spanType:
		p.one, p.many, p.set = "a duration such as 150s", "durations", p.span
		p.schema = object{"type": "string", "pattern": duration.String()}
	case k == reflect.Struct:
		p.structure(t)
		if words {
			p.text = &plan{node: yaml.ScalarNode, tag: p.tag, blank: p.blank, hi: math.Inf(1)}
			p.text.words(tags)
			p.one, p.schema = p.text.one+" or a mapping", object{"anyOf": []object{p.text.schema, p.schema}}
		}
	case words || k == reflect.String:
		least, most = "minLength", "maxLength"
		p.words(tags)
	case k == reflect.Slice:
		least, most = "minItems", "maxItems"
		if p.slice(t.Elem(), tags); p.node == yaml.MappingNode {
			least, most = "minProperties", "maxProperties"
		}
	case k == reflect.Bool:
		p.one, p.many, p.tag, p.set = "true or false", "true or false", "!!bool", flag
		p.schema = object{"type": "boolean"}
	case k >= reflect.Int && k <= reflect.Uint64:
		least, most = "minimum", "maximum"
		p.one, p.many, p.tag, p.set = "a whole number", "whole numbers", "!!float", p.number(decimal)
		p.schema = object{"type": "integer"}
		p.fit(t)
	case k == reflect.Float32 || k == reflect.Float64:
		least, most = "minimum", "maximum"
		p.one, p.many, p.tag, p.set = "a number", "numbers", "!!float", p.number(fraction)
		p.schema = object{"type": "number"}
	default:
		panic(fmt.Sprintf("strict: %v cannot be decoded", t))
	}
	p.lo, p.hi = limit(t, p.min, -1), limit(t, p.max, 1)
	for key, bound := range map[string]string{least: p.min, most: p.max} {
		if key != "" && bound != "" {
			p.schema[key] = json.RawMessage(bound)
		}
	}
	if preset := tags.Get("default"); preset != "" {
		in := cmp.Or(p.text, p)
		if in.set == nil || in.set(preset, p.blank) != "" {
			panic(fmt.Sprintf("strict: default %q of %v", preset, t))
		}
		if p.schema["default"] = preset; in.tag != "!!str" {
			p.schema["default"] = json.RawMessage(preset)
		}
	}
	p.describe(t, tags.Get("doc"))
	return p
}

// fit bounds whole numbers by what the type has room for.
func (p *plan) fit(t reflect.Type) {
	low, high := "0", strconv.FormatUint(1<<t.Bits()-1, 10)
	if t.Kind() < reflect.Uint {
		low, high = strconv.FormatInt(-1<<(t.Bits()-1), 10), strconv.FormatInt(1<<(t.Bits()-1)-1, 10)
	}
	p.min, p.max = cmp.Or(p.min, low), cmp.Or(p.max, high)
}

// limit reads a bound; none is infinite.
func limit(t reflect.Type, s string, sign int) float64 {
	x, err := math.Inf(sign), error(nil)
	switch {
	case s == "":
	case t == spanType:
		var d time.Duration
		d, err = time.ParseDuration(s)
		x = float64(d)
	default:
		x, err = strconv.ParseFloat(s, 64)
	}
	if err != nil {
		panic("strict: " + err.Error())
	}
	return x
}

func (p *plan) within(x float64) bool { return x >= p.lo && x <= p.hi }

// outside is the fault of having s of something where the plan has bounds.
func (p *plan) outside(s string) string {
	if p.max == "" {
		return "must be " + p.min + " or more, is " + s
	}
	return "must be " + cmp.Or(p.min, "0") + " to " + p.max + ", is " + s
}

// describe puts the doc tag, with what a schema has no word for.
func (p *plan) describe(t reflect.Type, doc string) {
	switch {
	case t != spanType || p.min == "" && p.max == "":
	case p.max == "":
		doc += " (" + p.min + " or more)"
	default:
		doc += " (" + cmp.Or(p.min, "0s") + " to " + p.max + ")"
	}
	if doc != "" {
		p.schema["description"] = doc
	}
}

// structure plans a struct: a mapping or, when its fields are items, a list of
// exactly those.
func (p *plan) structure(t reflect.Type) {
	var fields []*plan
	var names, required []string
	var at []int // the fields' numbers
	given, items := -1, false
	properties := object{}
	for i := range t.NumField() {
		sf := t.Field(i)
		name, option, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case !sf.IsExported() || name == "-" || option == "key" || option == "value":
			continue
		case option == "given":
			given = i
			continue
		case name == "":
			panic(fmt.Sprintf("strict: %v.%s has no yaml tag", t, sf.Name))
		case option == "required":
			required = append(required, name)
		}
		f := planFor(sf.Type, sf.Tag)
		p.blank.Field(i).Set(f.blank)
		fields, names, at, properties[name] = append(fields, f), append(names, name), append(at, i), f.schema
		items = items || option == "item"
	}
	if items {
		p.items(fields, names, at, given)
		return
	}
	p.node, p.one, p.many = yaml.MappingNode, "a mapping", "mappings"
	p.schema = object{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		p.schema["required"] = required
	}
	p.fill = func(d *Document, n *yaml.Node, v reflect.Value, here path) {
		v.Set(p.blank)
		first := d.entries(n, here, func(key, value *yaml.Node) {
			if i := slices.Index(names, key.Value); i >= 0 {
				d.value(value, fields[i], v.Field(at[i]), append(here, key.Value))
				return
			}
			what := "unknown key " + Quote(key.Value)
			if d.faults.more == 0 { // else nobody reads it
				what += DidYouMean(key.Value, names)
			}
			d.fault(key, here, what)
		})
		for _, name := range required {
			if first[name] == 0 {
				d.fault(n, here, strconv.Quote(name)+" is missing")
			}
		}
	}
}

// items plans a list kept as a struct; the field with the number given tells
// whether it was written.
func (p *plan) items(fields []*plan, names []string, at []int, given int) {
	p.node, p.one, p.many = yaml.SequenceNode, fmt.Sprintf("a list of %d: [%s]", len(names), strings.Join(names, ", ")), "lists"
	schemas := make([]object, len(fields))
	for i, f := range fields {
		schemas[i] = f.schema
	}
	p.schema = object{"type": "array", "items": schemas, "minItems": len(names), "maxItems": len(names)}
	p.fill = func(d *Document, n *yaml.Node, v reflect.Value, here path) {
		if len(n.Content) != len(fields) {
			d.fault(n, here, "wants "+p.one+", got a list of "+strconv.Itoa(len(n.Content)))
			return
		}
		for i, f := range fields {
			d.value(n.Content[i], f, v.Field(at[i]), append(here, i))
		}
		if given >= 0 {
			v.Field(given).SetBool(true)
		}
	}
}

// slice plans a list of t or, when that is a struct with a key, a mapping in the
// order of the file.
func (p *plan) slice(t reflect.Type, tags reflect.StructTag) {
	var key, value *plan
	keyAt, valueAt := 0, -1
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		switch sf := t.Field(i); sf.Tag.Get("yaml") {
		case ",key":
			keyAt, key = i, planFor(sf.Type, sf.Tag)
		case ",value":
			valueAt, value = i, planFor(sf.Type, sf.Tag)
		}
	}
	if value == nil { // min, max and doc are the list's own
		value = planFor(t, reflect.StructTag(fmt.Sprintf(`enum:%q pattern:%q is:%q form:%q`, tags.Get("enum"), tags.Get("pattern"), tags.Get("is"), tags.Get("form"))))
	}
	if key == nil {
		p.node, p.one, p.many = yaml.SequenceNode, "a list of "+value.many, "lists"
		p.schema = object{"type": "array", "items": value.schema}
		p.fill = func(d *Document, n *yaml.Node, v reflect.Value, at path) {
			d.count(n, at, p, len(n.Content))
			v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
			for i, c := range n.Content {
				d.value(c, value, v.Index(i), append(at, i))
			}
		}
		return
	}
	p.node, p.one, p.many = yaml.MappingNode, "a mapping", "mappings"
	p.schema = object{"type": "object", "additionalProperties": value.schema, "propertyNames": key.schema}
	p.fill = func(d *Document, n *yaml.Node, v reflect.Value, at path) {
		d.count(n, at, p, len(n.Content)/2)
		v.Set(reflect.MakeSlice(v.Type(), 0, len(n.Content)/2))
		first := make(map[any]int)
		d.entries(n, at, func(name, content *yaml.Node) {
			e, here := reflect.New(t).Elem(), append(at, name.Value)
			into := e
			if valueAt >= 0 {
				into = e.Field(valueAt)
			}
			d.value(content, value, into, here)
			k := e.Field(keyAt)
			if what := key.scalar(name, k); what != "" {
				d.fault(name, here, what)
			} else if line := first[k.Interface()]; line > 0 { // written otherwise: fd00::, fd00:0::
				d.fault(name, here, fmt.Sprintf("duplicate key %v (first at line %d)", k, line))
			}
			first[k.Interface()] = name.Line
			v.Set(reflect.Append(v, e))
		})
	}
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

// words plans a text, which enum, pattern or form may hold.
func (p *plan) words(tags reflect.StructTag) {
	pattern, is := tags.Get("pattern"), tags.Get("is")
	if name := tags.Get("form"); name != "" {
		form, ok := forms[name]
		if !ok {
			panic("strict: no form " + name)
		}
		pattern, is = form[0], form[1]
	}
	p.one, p.many = cmp.Or(is, "a text"), "texts"
	p.schema = object{"type": "string", "pattern": cmp.Or(pattern, `^[^\x00-\x1f\x7f-\x9f]*$`)}
	if is != "" {
		p.schema["patternErrorMessage"] = "wants " + is // as the common YAML language server shows it
	}
	enum := strings.Fields(tags.Get("enum"))
	if last := len(enum) - 1; last >= 0 {
		p.one = strings.Join(enum[:last], ", ") + " or " + enum[last]
		p.schema = object{"type": "string", "enum": enum}
	}
	form := regexp.MustCompile(pattern)
	_, own := p.blank.Addr().Interface().(encoding.TextUnmarshaler)
	p.set = func(s string, v reflect.Value) string {
		what := p.wording(s, enum, form)
		if !own {
			v.SetString(s) // even one that is not wanted, so that what refers to it is not told as well
		} else if what == "" {
			if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
				return err.Error()
			}
		}
		return what
	}
}
