package admin

import (
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"go.uber.org/zap"
)

// sameOrigin refuses what a page of another site makes a browser send.
var sameOrigin = http.NewCrossOriginProtection()

// answerAt is what a door answers with.
func (s *Server) answerAt(d *door) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.routes.mux.ServeHTTP(w, q.WithContext(context.WithValue(q.Context(), whenceKey{}, d)))
	})
}

// allow says whether a request may be served, and if not, why. Three kinds of
// callers are kept apart: whoever may open the unix socket is an operator; on
// TCP an operator is who knows the token, or anyone on this machine where no
// token is set; and a browser is only what it is told by whose page it shows.
func (s *Server) allow(d *door, n needs, q *http.Request) error {
	now := s.settings.Load()
	if err := checkBrowser(d, q); err != nil {
		return err
	}
	if n == nothing {
		return nil
	}
	if now.readOnly && n != inside {
		return &refusal{http.StatusForbidden, "this API is read-only", "set admin.read_only = false in the configuration and reload with SIGHUP"}
	}
	if d.at.path != "" {
		return nil
	}
	if now.token != "" {
		return checkToken(now.token, q)
	}
	if n == program {
		return &refusal{http.StatusForbidden, "any program of this machine may reach this address", "use admin.socket, or set admin.token_file and send the token"}
	}
	return nil
}

func checkToken(token string, q *http.Request) error {
	given, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok:
		return &refusal{http.StatusUnauthorized, "this needs the token", "send Authorization: Bearer TOKEN, the content of admin.token_file, or use admin.socket"}
	case subtle.ConstantTimeCompare([]byte(strings.TrimSpace(given)), []byte(token)) == 0:
		return &refusal{http.StatusUnauthorized, "this is not the token", "send the content of admin.token_file as it was at the last reload"}
	}
	return nil
}

// checkBrowser refuses what a page of another site may have made a browser ask.
// A name that another site has pointed at this address gives itself away as
// Host: at a loopback address there is nobody else to be asked for. No browser
// leaves it out, and checks of load balancers, which ask for life and readiness
// with any Host or none (HTTP/1.0), learn nothing that is worth hiding.
func checkBrowser(d *door, q *http.Request) error {
	checks := q.Host == "" || q.URL.Path == "/livez" || q.URL.Path == "/readyz"
	if d.at.path == "" && d.loopback() && !checks && !isLoopback(q.Host) {
		return &refusal{http.StatusForbidden, "Host " + clip(q.Host) + " is not this machine's loopback", "ask for " + d.address() + " or localhost"}
	}
	elsewhere := sameOrigin.Check(q) != nil
	if strings.HasPrefix(q.URL.Path, "/v1/") || strings.HasPrefix(q.URL.Path, "/debug/") {
		site := q.Header.Get("Sec-Fetch-Site")
		elsewhere = elsewhere || site == "cross-site" || site == "same-site"
	}
	if elsewhere {
		return &refusal{http.StatusForbidden, "a page of another site asks for this", "ask from the command line, or from this server's own page"}
	}
	return nil
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// logAsked notes who asked for a change.
func (s *Server) logAsked(d *door, q *http.Request) {
	from := q.RemoteAddr
	if d.at.path != "" {
		from = d.address()
	}
	s.log.Info("asked: "+q.Method+" "+q.URL.Path, zap.String("from", from))
}
