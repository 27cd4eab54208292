package admin

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"sluice/config"
)

func TestPageComesWithAStrictPolicy(t *testing.T) {
	_, at := serve(t, &fake{}, config.Admin{Bind: anyPort})
	for file, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page/main.js": "text/javascript; charset=utf-8",
		"/page/style.css": "text/css; charset=utf-8", "/page/icon.svg": "image/svg+xml",
	} {
		got := ask(t, at, "GET", file, "")
		if got.status != 200 || got.header.Get("Content-Type") != kind || got.body == "" {
			t.Errorf("%s: %d %q, want 200 %q", file, got.status, got.header.Get("Content-Type"), kind)
		}
		policy := got.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, part+";") {
				t.Errorf("%s: the policy is %q, want %s in it", file, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", file, got.header)
		}
		tag := got.header.Get("ETag")
		if again := ask(t, at, "GET", file, "", with("If-None-Match", tag)); again.status != 304 || again.body != "" {
			t.Errorf("%s again with %s: %d, want 304", file, tag, again.status)
		}
	}
	ask(t, at, "GET", "/page/index.html", "").refused(t, 404, "/page/index.html", "/v1/status")
	ask(t, at, "GET", "/", "", with("Host", "evil.example")).refused(t, 403, "evil.example", "localhost")
}

// TestPageStandsAlone holds the page to what the binary has: nothing is fetched
// from elsewhere, what is named is there, and no text can become markup.
func TestPageStandsAlone(t *testing.T) {
	named := regexp.MustCompile(`(?:href|src)="([^"]+)"|from "\./([^"]+)"`)
	elsewhere := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]+`)
	unsafe := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function| on[a-z]+="| style="|@import|url\(`)
	found := map[string]bool{"/": true}
	for at, f := range thePage {
		text := strings.ReplaceAll(string(f.text), "http://www.w3.org/2000/svg", "") // the name of SVG, not a place
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			to := "/" + m[1]
			if m[2] != "" {
				to = path.Join("/page", m[2])
			}
			if _, there := thePage[to]; !there {
				t.Errorf("%s names %s, which is not there", at, to)
			}
			found[to] = true
		}
		for _, bad := range append(unsafe.FindAllString(text, -1), elsewhere.FindAllString(text, -1)...) {
			t.Errorf("%s has %q", at, bad)
		}
		if lines := strings.Count(text, "\n"); lines > 300 {
			t.Errorf("%s has %d lines", at, lines)
		}
	}
	for at := range thePage {
		if !found[at] {
			t.Errorf("nothing names %s", at)
		}
	}
}
