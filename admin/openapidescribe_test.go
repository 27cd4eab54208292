package admin

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

type object = map[string]any

// comments are those of the fields of this package's and its neighbours'
// types, by "Type.Field": they are the descriptions.
func comments(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	files, err := filepath.Glob("*.go")
	testnet.Must(t, "glob", err)
	for _, file := range append(files, "../config/diff.go", "../control/plan.go") {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		testnet.Must(t, file, err)
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range fields.Fields.List {
					for _, name := range field.Names {
						all[spec.Name.Name+"."+name.Name] = strings.TrimSpace(field.Comment.Text())
					}
				}
			}
			return true
		})
	}
	return all
}

// describer makes schemas of Go types.
type describer struct {
	comments map[string]string
	schemas  object
}

func (d *describer) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return d.schema(t.Elem())
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": true}
	case reflect.Struct:
		if d.schemas[t.Name()] == nil {
			d.schemas[t.Name()] = object{} // it may hold itself
			properties, required := object{}, []string{}
			d.fields(t, properties, &required)
			d.schemas[t.Name()] = object{"type": "object", "properties": properties, "required": required}
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	return object{"type": "integer"}
}

func (d *describer) fields(t reflect.Type, properties object, required *[]string) {
	for f := range t.Fields() {
		if f.Anonymous {
			d.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := d.schema(f.Type)
		if text := d.comments[t.Name()+"."+f.Name]; text != "" && s["$ref"] == nil {
			s["description"] = text
		}
		properties[name] = s
		if !strings.Contains(options, "omit") {
			*required = append(*required, name)
		}
	}
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// operation is one route.
func (d *describer) operation(r *route) object {
	content := func(v any) object {
		if kind, ok := v.(string); ok {
			return object{kind: object{"schema": object{}}}
		}
		return object{"application/json": object{"schema": d.schema(reflect.TypeOf(v))}}
	}
	status := r.says
	if status == 0 {
		status = http.StatusOK
	}
	events := object{}
	for _, e := range r.tells {
		events[e.name] = d.schema(reflect.TypeOf(e.data))
	}
	o := object{
		"summary": r.doc,
		"responses": object{
			fmt.Sprint(status): object{"description": "done", "content": content(r.gives)},
			"default":          object{"description": "what is wrong, and what to do instead", "content": content(Refused{})},
		},
	}
	if len(events) > 0 {
		o["x-events"] = events // what the data of each kind of event is, as JSON
	}
	parameters := []object{}
	for _, m := range pathParam.FindAllStringSubmatch(r.path, -1) {
		parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, q := range r.query {
		parameters = append(parameters, object{"name": q.name, "in": "query", "description": q.doc, "schema": object{"type": "string"}})
	}
	if len(parameters) > 0 {
		o["parameters"] = parameters
	}
	if r.takes != nil {
		o["requestBody"] = object{"content": content(r.takes)}
	}
	if r.needs != nothing {
		o["security"] = []object{{"token": []string{}}, {}}
	}
	return o
}

// TestOpenAPISaysWhatTheRoutesDo makes the file from the routes and from the
// types that they take and give, and holds the one that is served to that.
