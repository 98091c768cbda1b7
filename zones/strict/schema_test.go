package strict

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is what an editor validates: YAML 1.2, where a date is a text.
func instance(content string) (any, error) {
	var v any
	err := yaml.Unmarshal([]byte(content), &v)
	var dates func(v any) any
	dates = func(v any) any {
		switch v := v.(type) {
		case time.Time:
			return v.Format(time.DateOnly)
		case map[string]any:
			for k := range v {
				v[k] = dates(v[k])
			}
		case []any:
			for i := range v {
				v[i] = dates(v[i])
			}
		}
		return v
	}
	return dates(v), err
}

// beyondSchema are the parts of faults that JSON Schema has no words for.
var beyondSchema = []string{"plain decimal", "number 4.0", "colon", "anchors", "aliases", "merge", "tags (", "second document", "clothes",
	"is not UTF-8", "control character U", "is not YAML", "tab", "duplicate", "beyond its length", "/33", "99999999999h", "999ms", "sold out"}

// TestSchemaAgrees holds the schema's verdict against the decoder's for every
// faulty file, and for one that has every key.
func TestSchemaAgrees(t *testing.T) {
	schema := compile(t, Schema("everything", &everything{}))
	for _, c := range faulty {
		v, err := instance(c.in)
		if err != nil || strings.HasSuffix(c.want, ": is empty") {
			continue
		}
		blind := false
		for _, s := range beyondSchema {
			blind = blind || strings.Contains(c.want, s)
		}
		if err := schema.Validate(v); err == nil && !blind {
			t.Errorf("the schema takes %q, which the decoder refuses: %s", c.in, c.want)
		}
	}
}

func TestSchemaGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/everything.json")
	if got := Schema("everything", &everything{}); err != nil || !bytes.Equal(got, want) {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile("testdata/everything.json", got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Errorf("the schema is not testdata/everything.json (UPDATE=1 writes it anew): %v\n%s", err, got)
	}
	var got everything
	for _, good := range []string{"text: a", "either: off", "either: {list: [x]}", "spot: [1, 2]", "nested: {needed: 2026-01-01}", "real: 1", "span: 1h", "net: fd00::/8", "listen: ['[::1]:53']"} {
		v, err := instance(good)
		if err != nil {
			t.Fatal(err)
		}
		if err := Decode("x.yaml", []byte(good), &got).Err(); err != nil {
			t.Error(err)
		}
		if err := compile(t, want).Validate(v); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
