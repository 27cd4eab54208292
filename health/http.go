package health

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"

	"sluice/config"
)

// newHTTP asks for a page, and judges it by its status and its body. A redirect
// is an answer like any other.
func newHTTP(h config.Health) probe {
	secure := secures(h)
	var body *regexp.Regexp
	if h.Body != "" {
		body = regexp.MustCompile(h.Body) // config has compiled it before
	}
	return talking(h, func(t *talk) error {
		if h.Type == "https" {
			if err := secure(t); err != nil {
				return err
			}
		}
		answer, err := t.get(h)
		if err != nil {
			return err
		}
		// A body that nobody wants to see is read all the same: the backend
		// would log that its client has gone.
		text, err := io.ReadAll(io.LimitReader(answer.Body, mostRead))
		switch {
		case !h.Status.Has(answer.StatusCode):
			return verdict(fmt.Sprintf("%s: status %d, expected %v", t.doing, answer.StatusCode, h.Status))
		case err != nil && body != nil:
			return err
		case body != nil && !body.Match(text):
			return verdict(fmt.Sprintf("%s: %s, expected a match of %q", t.doing, quote(text), h.Body))
		}
		t.part()
		return nil
	})
}

// get sends the request and returns the first answer that is not an interim
// one.
func (t *talk) get(h config.Health) (*http.Response, error) {
	t.doing = h.Method + " " + h.Path
	target, err := url.ParseRequestURI(h.Path)
	if err != nil {
		return nil, verdict(fmt.Sprintf("%s: %v", t.doing, err))
	}
	r := &http.Request{
		Method: h.Method, URL: target, Host: hostOf(h, t.to), Close: true,
		Header: http.Header{"User-Agent": {"sluice"}},
	}
	if err := r.Write(t); err != nil {
		return nil, err
	}
	from := bufio.NewReader(t)
	for {
		answer, err := http.ReadResponse(from, r)
		if err != nil || answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
}

// hostOf is what the Host header says.
func hostOf(h config.Health, a config.Address) string {
	switch {
	case h.Host != "":
		return h.Host
	case a.Unix != "":
		return "localhost"
	}
	return a.TCP.String()
}

// quote is what a backend said, short enough for a line of the log.
func quote(said []byte) string {
	const most = 60
	if len(said) == 0 {
		return "nothing said"
	}
	if len(said) > most {
		return fmt.Sprintf("said %q...", said[:most])
	}
	return fmt.Sprintf("said %q", said)
}
