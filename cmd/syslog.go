package cmd

import (
	"fmt"
	"os"
	"strings"
)

// syslog renders lines as RFC 5424 has them, facility daemon.
type syslog struct {
	host string
	json bool // the message is JSON behind a cookie that tells so, else text
}

const facilityDaemon = 3 << 3

func newSyslog(format string) *syslog {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &syslog{host, format == "json"}
}

func (s *syslog) render(all []pair) []byte {
	id := valueOf(all, "part")
	if id == "" {
		id = "-"
	}
	text := textOf(all)
	if s.json {
		text = "@cee: " + s.object(all)
	}
	return fmt.Appendf(nil, "<%d>1 %s %s sluice %d %s - %s",
		facilityDaemon|severity(valueOf(all, "level")), valueOf(all, "time"), s.host, os.Getpid(), id, cut(text))
}

// object is what the header does not say.
func (s *syslog) object(all []pair) string {
	var b strings.Builder
	for _, p := range all {
		if p.key == "level" || p.key == "time" || p.key == "part" {
			continue
		}
		fmt.Fprintf(&b, ",%q:%s", p.key, p.raw)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}
