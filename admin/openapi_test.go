package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

var update = flag.Bool("update", false, "write openapi.json")

func TestOpenAPISaysWhatTheRoutesDo(t *testing.T) {
	d := &describer{comments(t), object{}}
	paths := object{}
	for i := range theRoutes {
		r := &theRoutes[i]
		if r.doc == "" || r.gives == nil {
			t.Errorf("%s %s is not described", r.method, r.path)
			continue
		}
		if paths[r.path] == nil {
			paths[r.path] = object{}
		}
		paths[r.path].(object)[strings.ToLower(r.method)] = d.operation(r)
	}
	want, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "sluice", "version": "v1",
			"description": "How an operator sees and changes a running balancer. Changes over TCP need the token if there is one; over the unix socket they need none.",
		},
		"paths": paths,
		"components": object{
			"schemas":         d.schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "the content of admin.token_file"}},
		},
	}, "", "  ")
	testnet.Must(t, "JSON", err)
	want = append(want, '\n')
	if *update {
		testnet.Must(t, "write", os.WriteFile("openapi.json", want, 0o644))
		return
	}
	if !bytes.Equal(want, openAPIText) {
		t.Error("openapi.json does not say what the routes do (-update writes it)")
	}
}

// TestEveryRouteAnswersAsItsSchemaSays calls all of them over HTTP and compares
// what comes with what the file promises, in both directions.
func TestEveryRouteAnswersAsItsSchemaSays(t *testing.T) {
	var file struct {
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	testnet.Must(t, "openapi.json", json.Unmarshal(openAPIText, &file))
	f := &fake{
		conns:   fourConns(),
		history: []Handover{{Number: 1}},
		level:   "info",
		about:   About{NotReady: "x"},
	}
	at, _ := compiled(t, f)
	f.server.Transition(Transition{Pool: "web", Backend: "b1"})
	f.server.settings.Store(&settings{token: goodToken, pprof: true})
	f.server.feed.end()
	bodies := map[string]string{"PATCH": `{"mode": "drain"}`, "PUT": `{"level": "warn"}`, "POST": ""}
	fill := strings.NewReplacer("{pool}", "web", "{backend}", "b1", "{id}", f.conns[0].ID.String())
	called := 0
	for _, r := range theRoutes {
		path := fill.Replace(r.path)
		if r.path == "/v1/explain" {
			path += "?listener=web&from=::1"
		}
		got := ask(t, at, r.method, path, bodies[r.method], bearer)
		called++
		promised, _ := file.Paths[r.path][strings.ToLower(r.method)].(object)
		if promised == nil {
			t.Errorf("%s %s is not in openapi.json", r.method, r.path)
			continue
		}
		want := max(r.says, 200)
		if r.path == "/readyz" || r.path == "/v1/events" { // whose feed has ended
			want = 503
		}
		if got.status != want {
			t.Errorf("%s %s: %d %s, want %d", r.method, path, got.status, got.body, want)
			continue
		}
		if _, other := r.gives.(string); other {
			continue
		}
		var body any
		if err := json.Unmarshal([]byte(got.body), &body); err != nil {
			t.Errorf("%s %s: %v", r.method, path, err)
			continue
		}
		ref := object{"$ref": "#/components/schemas/" + reflect.TypeOf(r.gives).Name()}
		if reflect.TypeOf(r.gives).Kind() == reflect.Map {
			continue
		}
		for _, fault := range conforms(file.Components.Schemas, ref, body, reflect.TypeOf(r.gives).Name()) {
			t.Errorf("%s %s: %s", r.method, path, fault)
		}
	}
	for path, methods := range file.Paths {
		called -= len(methods)
		if !strings.HasPrefix(path, "/") {
			t.Errorf("path %s", path)
		}
	}
	if called != 0 {
		t.Errorf("%d more routes than in openapi.json", called)
	}
}

// conforms says in what a value differs from a schema.
func conforms(schemas map[string]any, s object, v any, at string) (faults []string) {
	if ref, ok := s["$ref"].(string); ok {
		s, _ = schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(object)
	}
	kinds := map[string]reflect.Kind{"object": reflect.Map, "array": reflect.Slice, "string": reflect.String, "boolean": reflect.Bool, "number": reflect.Float64, "integer": reflect.Float64}
	want, _ := s["type"].(string)
	if v == nil || reflect.TypeOf(v).Kind() != kinds[want] {
		return []string{fmt.Sprintf("%s is %v, want %q", at, v, want)}
	}
	switch v := v.(type) {
	case []any:
		for i, one := range v {
			faults = append(faults, conforms(schemas, s["items"].(object), one, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case object:
		properties, _ := s["properties"].(object)
		for key, one := range v {
			p, ok := properties[key].(object)
			if !ok {
				faults = append(faults, at+"."+key+" is not in the schema")
				continue
			}
			faults = append(faults, conforms(schemas, p, one, at+"."+key)...)
		}
		required, _ := s["required"].([]any)
		for _, key := range required {
			if _, ok := v[key.(string)]; !ok {
				faults = append(faults, at+"."+key.(string)+" is missing")
			}
		}
	}
	return faults
}

func TestConformsFindsWhatDiffers(t *testing.T) {
	schemas := object{"T": object{"type": "object", "required": []any{"a"}, "properties": object{"a": object{"type": "string"}, "b": object{"type": "array", "items": object{"type": "integer"}}}}}
	ref := object{"$ref": "#/components/schemas/T"}
	for text, want := range map[string]int{
		`{"a": "x", "b": [1]}`: 0, `{"b": []}`: 1, `{"a": 1}`: 1, `{"a": "x", "c": 1}`: 1, `{"a": "x", "b": ["y", null]}`: 2, `[]`: 1, `null`: 1,
	} {
		var v any
		testnet.Must(t, text, json.Unmarshal([]byte(text), &v))
		if got := conforms(schemas, ref, v, "T"); len(got) != want {
			t.Errorf("%s: %v, want %d faults", text, got, want)
		}
	}
}

func TestOperationsNamesEveryRoute(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	testnet.Must(t, "read", err)
	for _, r := range theRoutes {
		path := strings.NewReplacer("{pool}", "POOL", "{backend}", "BACKEND", "{id}", "ID").Replace(r.path)
		if !strings.Contains(string(text), path+"`") && !strings.Contains(string(text), path+"?") {
			t.Errorf("docs/operations.md does not name %s", path)
		}
	}
}
