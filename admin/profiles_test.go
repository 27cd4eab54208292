package admin

import (
	"net/http"
	"strings"
	"testing"

	"sluice/config"
)

func TestProfilesAreAnOperatorsAndOnlyIfAskedFor(t *testing.T) {
	_, off := serve(t, &fake{}, config.Admin{Bind: anyPort})
	ask(t, off, "GET", "/debug/pprof/heap", "").refused(t, 404, "profiles are off", "admin.pprof = true")

	_, on := serve(t, &fake{}, config.Admin{Bind: anyPort, Pprof: true, ReadOnly: true})
	for path, want := range map[string]string{
		"":                  "full goroutine stack dump",
		"goroutine?debug=1": "goroutine profile: total",
		"heap?debug=1":      "heap profile:",
		"cmdline":           "admin.test",
		"symbol":            "num_symbols",
		"trace?seconds=.01": "go 1.",
		"profile?seconds=1": "\x1f\x8b", // gzip
	} {
		if got := ask(t, on, "GET", "/debug/pprof/"+path, ""); got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %d, %.80q, want %q in it", path, got.status, got.body, want)
		}
	}
	if got := ask(t, on, "GET", "/debug/pprof/nothing", ""); got.status != 404 {
		t.Errorf("a profile that is not there: %d", got.status)
	}

	_, guarded := serve(t, &fake{}, config.Admin{Bind: anyPort, Pprof: true, TokenFile: tokenFile(t, goodToken)})
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"nothing":    {func(*http.Request) {}, 401},
		"token":      {bearer, 200},
		"other site": {with("Sec-Fetch-Site", "cross-site"), 403},
	} {
		if got := ask(t, guarded, "GET", "/debug/pprof/heap", "", tt.change); got.status != tt.want {
			t.Errorf("%s: %d, want %d", name, got.status, tt.want)
		}
	}
}
