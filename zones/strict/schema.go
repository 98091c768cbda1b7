package strict

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
)

// Schema returns the draft-07 JSON Schema of what Decode takes into a struct
// of into's type, indented. JSON Schema cannot say everything: it knows no
// ranges of durations, does not see bits beyond a network's length, the
// notation of numbers, duplicate keys, anchors or second documents.
func Schema(title string, into any) []byte {
	root := map[string]any{"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
	maps.Copy(root, planFor(reflect.TypeOf(into).Elem(), "").schema())
	b, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("strict: " + err.Error()) // maps, slices and strings always encode
	}
	return append(b, '\n')
}

type object = map[string]any

func (p *plan) schema() object {
	o := object{"type": kinds[p.kind].json}
	if pattern := kinds[p.kind].pattern; pattern != "" {
		o["pattern"] = pattern
	}
	switch p.kind {
	case text, word:
		if len(p.enum) > 0 {
			return object{"type": "string", "enum": p.enum}
		}
		if p.pattern != nil {
			o["pattern"] = p.pattern.String()
		}
		if p.is != "" {
			o["patternErrorMessage"] = "wants " + p.is // as the common YAML language server shows it
		}
		p.bounds(o, "minLength", "maxLength")
	case whole, real:
		p.bounds(o, "minimum", "maximum")
	case addr:
		o["anyOf"] = []object{{"format": "ipv4"}, {"format": "ipv6"}}
	case list:
		o["items"] = p.elem.schema()
		p.bounds(o, "minItems", "maxItems")
	case table:
		o["additionalProperties"], o["propertyNames"] = p.elem.schema(), p.key.schema()
		p.bounds(o, "minProperties", "maxProperties")
	case tuple:
		items := make([]object, len(p.fields))
		for i, f := range p.fields {
			items[i] = f.schema()
		}
		o["items"], o["minItems"], o["maxItems"] = items, len(items), len(items)
	case record:
		p.properties(o)
		if p.text != nil {
			return object{"anyOf": []object{p.text.schema(), o}}
		}
	}
	return o
}

// properties puts the fields of a record.
func (p *plan) properties(o object) {
	properties, required := object{}, []string{}
	for i, f := range p.fields {
		property := f.schema()
		if doc := f.describe(); doc != "" {
			property["description"] = doc
		}
		if f.kind == flag || f.kind == whole || f.kind == real {
			put(property, "default", f.preset)
		} else if f.preset != "" {
			property["default"] = f.preset
		}
		properties[p.names[i]] = property
		if f.required {
			required = append(required, p.names[i])
		}
	}
	o["properties"], o["additionalProperties"] = properties, false
	if len(required) > 0 {
		o["required"] = required
	}
}

// describe is the doc tag, with what a schema has no word for.
func (f field) describe() string {
	switch {
	case f.kind != span || f.min == "" && f.max == "":
		return f.doc
	case f.max == "":
		return f.doc + " (" + f.min + " or more)"
	}
	return f.doc + " (" + cmp.Or(f.min, "0s") + " to " + f.max + ")"
}

func (p *plan) bounds(o object, least, most string) {
	put(o, least, p.min)
	put(o, most, p.max)
}

// put puts what is JSON already, unless it is "".
func put(o object, key, value string) {
	if value != "" {
		o[key] = json.RawMessage(value)
	}
}
