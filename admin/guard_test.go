package admin

import (
	"net/http"
	"strings"
	"testing"

	"sluice/config"
	"sluice/internal/testnet"
)

const goodToken = "0123456789abcdef"

var (
	bearer = with("Authorization", "Bearer "+goodToken)
)

func TestWhoMayChange(t *testing.T) {
	socket := testnet.SocketPath(t)
	for _, tt := range []struct {
		name            string
		config          config.Admin
		token           bool // there is one
		change          []func(*http.Request)
		reload, upgrade int
	}{
		{"loopback without a token", config.Admin{Bind: anyPort}, false, nil, 200, 403},
		{"socket", config.Admin{Socket: socket}, false, nil, 200, 202},
		{"socket where there is a token", config.Admin{Socket: socket}, true, nil, 200, 202},
		{"without the token", config.Admin{Bind: anyPort}, true, nil, 401, 401},
		{"wrong token", config.Admin{Bind: anyPort}, true, []func(*http.Request){with("Authorization", "Bearer x")}, 401, 401},
		{"wrong scheme", config.Admin{Bind: anyPort}, true, []func(*http.Request){with("Authorization", "Basic "+goodToken)}, 401, 401},
		{"token", config.Admin{Bind: anyPort}, true, []func(*http.Request){bearer}, 200, 202},
		{"read-only", config.Admin{Bind: anyPort, ReadOnly: true}, true, []func(*http.Request){bearer}, 403, 403},
		{"read-only socket", config.Admin{Socket: socket, ReadOnly: true}, false, nil, 403, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.token {
				tt.config.TokenFile = tokenFile(t, goodToken)
			}
			f := &fake{}
			_, at := serve(t, f, tt.config)
			got := ask(t, at, "POST", "/v1/reload", "", tt.change...)
			if got.status != tt.reload || (f.reloads == 1) != (tt.reload == 200) {
				t.Errorf("reload: %d %s, %d reloads, want %d", got.status, got.body, f.reloads, tt.reload)
			}
			got = ask(t, at, "POST", "/v1/upgrade", `{"binary": "/bin/x"}`, tt.change...)
			if got.status != tt.upgrade || (f.binary == "/bin/x") != (tt.upgrade == 202) {
				t.Errorf("upgrade: %d %s, binary %q, want %d", got.status, got.body, f.binary, tt.upgrade)
			}
			if got := ask(t, at, "GET", "/v1/status", ""); got.status != 200 {
				t.Errorf("status: %d, want 200: whoever reaches the door may look", got.status)
			}
		})
	}
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	_, at := serve(t, &fake{}, config.Admin{Bind: anyPort})
	for _, tt := range []struct {
		name         string
		method, path string
		change       []func(*http.Request)
		status       int
	}{
		{"own page", "POST", "/v1/reload", []func(*http.Request){with("Sec-Fetch-Site", "same-origin"), with("Origin", "http://"+at)}, 200},
		{"command line", "POST", "/v1/reload", nil, 200},
		{"other site", "POST", "/v1/reload", []func(*http.Request){with("Sec-Fetch-Site", "cross-site")}, 403},
		{"other port of this machine", "POST", "/v1/reload", []func(*http.Request){with("Sec-Fetch-Site", "same-site")}, 403},
		{"old browser, other site", "POST", "/v1/reload", []func(*http.Request){with("Origin", "http://evil.example")}, 403},
		{"other site reads", "GET", "/v1/status", []func(*http.Request){with("Sec-Fetch-Site", "cross-site")}, 403},
		{"other port reads", "GET", "/v1/status", []func(*http.Request){with("Sec-Fetch-Site", "same-site")}, 403},
		{"address typed in", "GET", "/v1/status", []func(*http.Request){with("Sec-Fetch-Site", "none")}, 200},
		{"name that points here", "GET", "/v1/status", []func(*http.Request){with("Host", "evil.example:9901")}, 403},
		{"name that points here, change", "POST", "/v1/reload", []func(*http.Request){with("Host", "evil.example"), with("Sec-Fetch-Site", "same-origin")}, 403},
		{"localhost", "GET", "/v1/status", []func(*http.Request){with("Host", "localhost:9901")}, 200},
		{"forwarded port", "GET", "/v1/status", []func(*http.Request){with("Host", "[::1]:1234")}, 200},
		{"a load balancer's check", "GET", "/readyz", []func(*http.Request){with("Host", "sluice.internal")}, 200},
		{"the same for life", "GET", "/livez", []func(*http.Request){with("Host", "sluice.internal")}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, at, tt.method, tt.path, "", tt.change...)
			if got.status != tt.status {
				t.Errorf("%d %s, want %d", got.status, got.body, tt.status)
			}
		})
	}
	if got := ask(t, at, "GET", "/v1/status", ""); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("other sites are let in by a header")
	}
}

func TestTokenFollowsItsFile(t *testing.T) {
	f := &fake{}
	c := config.Admin{Bind: anyPort, TokenFile: tokenFile(t, goodToken)}
	s, at := serve(t, f, c)
	c.TokenFile = tokenFile(t, strings.ToUpper(goodToken))
	open(t, s, c)
	ask(t, at, "POST", "/v1/reload", "", bearer).refused(t, 401, "not the token", "last reload")
}
