package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/timepool/timepool/monitor"
	"github.com/timepool/timepool/zones"
)

var update = flag.Bool("update", false, "write page/openapi.json anew")

type object = map[string]any

// operations are the documented calls by path, as OpenAPI has it: what they do,
// what they take beside what is in the path, and what they reply.
var operations = map[string]struct {
	summary string
	query   string // "name: what; name: what"
	reply   any    // a value of the type that is sent as JSON, or a media type
	missing string // when there is a 404
}{
	"/api/v1/members":        {"Every address of every member, in the registry's order.", "", []monitor.Member{}, ""},
	"/api/v1/members/{name}": {"The addresses of one member, or one address, with the words for it.", "", []Told{}, "no member has that name or address"},
	"/api/v1/status":         {"What the node says of itself. Counts are addresses.", "", Status{}, ""},
	"/api/v1/explain":        {"What a client is handed out under a pool name, and why: A and AAAA, ring by ring.", "client: an address or a network; name: a pool name, with the zone or without", object{}, "this node explains nothing"},
	"/api/v1/openapi.json":   {"This document.", "", object{}, ""},
	"/scores/{address}":      {"To the page of the member with that address.", "", http.StatusFound, "no member has that address"},
	"/scores/{address}/log":  {"Checks as CSV, in the NTP Pool's shape.", logQuery, "text/plain", "no member has that address"},
	"/scores/{address}/json": {"Checks as JSON, in the NTP Pool's shape.", logQuery, scoreLog{}, "no member has that address"},
	"/metrics":               {"For Prometheus.", "", "text/plain", ""},
	"/healthz":               {"200 while the process answers.", "", "text/plain", ""},
	"/readyz":                {"200 once the node should be asked and its DNS does answer; else 503 and why.", "", "text/plain", ""},
}

const logQuery = "limit: how many checks, 1 to 10000, 100 unless given; since: seconds since 1970: the checks from then on, oldest first; without, the newest of four days, newest first; monitor: name or number of a vantage, * for all"

// document is the OpenAPI 3.1 document for operations and the types they reply.
func document() []byte {
	schemas, paths := object{}, object{}
	for path, o := range operations {
		call := object{"summary": o.summary}
		var parameters []any
		for _, part := range strings.Split(path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				parameters = append(parameters, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
			}
		}
		for _, q := range strings.SplitAfter(o.query, "; ") {
			if name, what, ok := strings.Cut(strings.TrimSuffix(q, "; "), ": "); ok && !strings.Contains(name, " ") {
				parameters = append(parameters, object{"name": name, "in": "query", "description": what, "schema": object{"type": "string"}})
			}
		}
		if parameters != nil {
			call["parameters"] = parameters
		}
		ok := object{"description": "OK"}
		switch reply := o.reply.(type) {
		case int:
		case string:
			ok["content"] = object{reply: object{"schema": object{"type": "string"}}}
		default:
			ok["content"] = object{"application/json": object{"schema": schemaOf(reflect.TypeOf(reply), schemas)}}
		}
		replies := object{"200": ok}
		if o.reply == http.StatusFound {
			replies = object{"302": object{"description": "the page"}}
		}
		if o.missing != "" {
			replies["404"] = object{"description": o.missing}
		}
		if path == "/readyz" {
			replies["503"] = object{"description": "not yet, or not any more"}
		}
		call["responses"] = replies
		paths[path] = object{"get": call}
	}
	paths["/api/v1/reload"] = object{"post": object{
		"summary":    "Reads the registry again. Like every call that changes something: over TLS, with the token, or on the unix socket.",
		"security":   []any{object{"token": []any{}}},
		"parameters": []any{object{"name": "force", "in": "query", "description": "1 accepts an edit that would lose too much", "schema": object{"type": "string"}}},
		"responses": object{
			"200": object{"description": "what became of it", "content": object{"application/json": object{"schema": schemaOf(reflect.TypeFor[Reload](), schemas)}}},
			"401": object{"description": "the token is missing or wrong"}, "403": object{"description": "not over TLS"}, "405": object{"description": "the node file has no token"},
		},
	}}
	for verb, what := range map[string]string{"drain": "Takes a member out of new answers; it is still probed.", "off": "Neither hands a member out nor probes it.", "undrain": "Lifts a drain.", "on": "Lifts an off."} {
		call := maps.Clone(paths["/api/v1/reload"].(object)["post"].(object))
		call["summary"] = what + " Over TLS, with the token."
		call["parameters"] = []any{
			object{"name": "member", "in": "query", "required": true, "schema": object{"type": "string"}},
			object{"name": "reason", "in": "query", "required": true, "schema": object{"type": "string"}},
			object{"name": "until", "in": "query", "description": "a time as RFC 3339 has it; for good unless given", "schema": object{"type": "string"}},
		}
		call["responses"] = maps.Clone(call["responses"].(object))
		call["responses"].(object)["200"] = object{"description": "the override", "content": object{"application/json": object{"schema": schemaOf(reflect.TypeFor[zones.Override](), schemas)}}}
		call["responses"].(object)["409"] = object{"description": "why not"}
		paths["/api/v1/"+verb] = object{"post": call}
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(object{
		"openapi": "3.1.0",
		"info":    object{"title": "timepool", "version": "1", "summary": "What the monitor knows, read-only unless said otherwise.", "license": object{"name": "Apache 2.0", "identifier": "Apache-2.0"}},
		"paths":   paths,
		"components": object{
			"schemas":         schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "the word in http.token_file"}},
		},
	}); err != nil {
		panic(err)
	}
	return text.Bytes()
}

// schemaOf is the JSON Schema of what encoding/json makes of the type; named
// structs stand in all.
func schemaOf(t reflect.Type, all object) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[zones.State]():
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Pointer:
		return schemaOf(t.Elem(), all)
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem(), all)}
	case reflect.Map:
		return object{"type": "object"}
	case reflect.Struct:
	default:
		panic("no schema for " + t.String())
	}
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		properties[name] = schemaOf(f.Type, all)
		if kind := f.Type.Kind(); rest == "" && (kind == reflect.Slice || kind == reflect.Map || kind == reflect.Pointer) {
			properties[name] = object{"anyOf": []any{properties[name], object{"type": "null"}}}
		}
		if rest == "" {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	all[schemaName(t)] = object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	return object{"$ref": "#/components/schemas/" + schemaName(t)}
}

// schemaName tells the two types named Status apart.
func schemaName(t reflect.Type) string {
	if t == reflect.TypeFor[monitor.Status]() {
		return "Monitor"
	}
	return t.Name()
}

// The file is what the handlers' types make of it. After a change of one:
//
//	go test ./monitor/web -run OpenAPI -update
func TestOpenAPIIsCurrent(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile("page/openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := embedded.ReadFile("page/openapi.json"); !*update && (err != nil || !bytes.Equal(got, want)) {
		t.Errorf("page/openapi.json is out of date (%v): go test ./monitor/web -run OpenAPI -update", err)
	}
}

// Every path that is no page is documented, and every documented one served
// with a reply of the documented kind.
func TestOpenAPIHoldsForTheHandlers(t *testing.T) {
	v := pool()
	o := Options{
		History: past(t, v.Members[0].Address, time.Now()), Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, 200, "# metrics") }),
		Explain: func(_, _ string) (any, error) { return object{}, nil },
	}
	served := slices.Collect(maps.Keys(parse(o).routes()))
	for _, path := range served {
		page := slices.Contains([]string{"/{$}", "/members", "/members/{name}", "/zone", "/node", "/scores/{address}/{what}"}, path)
		if _, ok := operations[path]; !page && !ok {
			t.Errorf("%s is served and not documented", path)
		}
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	for path, operation := range operations {
		where := strings.NewReplacer("{name}", "ntp1.fra", "{address}", "10.16.0.11").Replace(path)
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", where, nil)
		r.Host = "localhost"
		Handler(func() View { return v }, o).ServeHTTP(w, r)
		kind := w.Header().Get("Content-Type")
		switch reply := operation.reply.(type) {
		case int:
			if w.Code != reply {
				t.Errorf("%s: %d, want %d", where, w.Code, reply)
			}
		case string:
			if w.Code != 200 || !strings.HasPrefix(kind, reply) {
				t.Errorf("%s: %d %s, want %s", where, w.Code, kind, reply)
			}
		default:
			schema, err := compiler.Compile("openapi.json#/paths/" + strings.NewReplacer("/", "~1", "{", "%7B", "}", "%7D").Replace(path) + "/get/responses/200/content/application~1json/schema")
			if err != nil {
				t.Fatal(err)
			}
			got, err := jsonschema.UnmarshalJSON(w.Body)
			if err == nil {
				err = schema.Validate(got)
			}
			if err != nil || w.Code != 200 || kind != "application/json" {
				t.Errorf("%s: %d %s: %v", where, w.Code, kind, err)
			}
		}
	}
}
