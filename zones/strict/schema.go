package strict

import (
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

const (
	prefixPattern   = `^[0-9A-Fa-f.:]+/[0-9]{1,3}$`
	addrPortPattern = `^([0-9.]+|\[[0-9A-Fa-f.:]+\]):[0-9]{1,5}$`
)

func (p *plan) schema() object {
	switch p.kind {
	case flag:
		return object{"type": "boolean"}
	case whole, real:
		o := object{"type": map[kind]string{whole: "integer", real: "number"}[p.kind]}
		put(o, "minimum", p.min)
		put(o, "maximum", p.max)
		return o
	case span:
		return object{"type": "string", "pattern": duration.String()}
	case addr:
		return object{"type": "string", "anyOf": []object{{"format": "ipv4"}, {"format": "ipv6"}}}
	case prefix:
		return object{"type": "string", "pattern": prefixPattern}
	case addrPort:
		return object{"type": "string", "pattern": addrPortPattern}
	case list:
		o := object{"type": "array", "items": p.elem.schema()}
		put(o, "minItems", p.min)
		put(o, "maxItems", p.max)
		return o
	case table:
		o := object{"type": "object", "additionalProperties": p.elem.schema(), "propertyNames": p.key.schema()}
		put(o, "minProperties", p.min)
		put(o, "maxProperties", p.max)
		return o
	case tuple:
		items := make([]object, len(p.fields))
		for i, f := range p.fields {
			items[i] = f.schema()
		}
		return object{"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
	case record:
		if p.text != nil {
			return object{"anyOf": []object{p.text.schema(), p.recordSchema()}}
		}
		return p.recordSchema()
	case shaped:
		return p.elem.schema()
	}
	return p.textSchema()
}

func (p *plan) textSchema() object {
	o := object{"type": "string"}
	if len(p.enum) > 0 {
		o["enum"] = p.enum
		return o
	}
	o["pattern"] = `^[^\x00-\x1f\x7f-\x9f]*$`
	if p.pattern != nil {
		o["pattern"] = p.pattern.String()
	}
	if p.is != "" {
		o["patternErrorMessage"] = "wants " + p.is // as the common YAML language server shows it
	}
	put(o, "minLength", p.min)
	put(o, "maxLength", p.max)
	return o
}

func (p *plan) recordSchema() object {
	properties, required := object{}, []string{}
	for _, f := range p.fields {
		o := f.schema()
		if doc := f.describe(); doc != "" {
			o["description"] = doc
		}
		switch {
		case !f.missing.IsValid() || f.kind == record && f.text == nil:
		case f.kind == flag, f.kind == whole, f.kind == real:
			o["default"] = json.RawMessage(f.tagged)
		default:
			o["default"] = f.tagged
		}
		properties[f.name] = o
		if f.required {
			required = append(required, f.name)
		}
	}
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// describe is the doc tag, with what a schema has no word for.
func (f field) describe() string {
	if f.kind != span || f.min == "" && f.max == "" {
		return f.doc
	}
	if f.max == "" {
		return f.doc + " (" + f.min + " or more)"
	}
	return f.doc + " (" + or(f.min, "0s") + " to " + f.max + ")"
}

func put(o object, key, number string) {
	if number != "" {
		o[key] = json.Number(number)
	}
}
