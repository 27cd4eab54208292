package integration

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the drawing of docs/architecture.md: what each package may import
// of the others. A package that is not here may not exist.
var floors = map[string][]string{
	"config":               {},
	"balancer":             {},
	"proxy/relay":          {},
	"proxy/guard":          {},
	"proxy/hello":          {},
	"proxy/greeting":       {},
	"internal/sys":         {},
	"internal/keeper":      {},
	"state":                {"config"},
	"proxy":                {"balancer", "proxy/relay", "proxy/guard", "proxy/hello", "proxy/greeting", "internal/sys"},
	"health":               {"state", "config", "internal/sys"},
	"control":              {"state", "proxy", "proxy/guard", "balancer", "config"},
	"admin":                {"config", "state", "control", "proxy", "balancer", "internal/sys"},
	"cmd/top":              {"admin", "internal/sys"},
	"cmd":                  {"cmd/top", "admin", "config", "state", "control", "health", "proxy", "internal/sys", "internal/keeper"},
	"cmd/sluice":           {"cmd"},
	"internal/testnet":     {},
	"integration":          {},
	"integration/bench":    {"cmd", "internal/testnet"},
	"integration/pictures": {"cmd", "internal/testnet"},
}

func TestImportsGoDownward(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		files++
		room := path.Dir(strings.TrimPrefix(filepath.ToSlash(file), "../"))
		allowed, known := floors[room]
		if !known {
			t.Errorf("%s: the room %s is not in the drawing", file, room)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			switch own, ours := strings.CutPrefix(imported, "sluice/"); {
			case ours && !slices.Contains(allowed, own):
				t.Errorf("%s imports %s, which the drawing does not show", file, own)
			case imported == "golang.org/x/sys/unix" && room != "internal/sys" && room != "internal/keeper": // whose clone may call nothing
				t.Errorf("%s imports %s: system calls are made in internal/sys", file, imported)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}
