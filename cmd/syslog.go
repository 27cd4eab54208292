package cmd

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"
)

// syslog renders lines with facility daemon: over the network as RFC 5424 has them,
// for the machine's own socket as syslog(3) writes them, which is all that many who
// read there understand.
type syslog struct {
	host  string
	json  bool // the message is JSON behind a cookie that tells so, else text
	local bool
}

const facilityDaemon = 3 << 3

func newSyslog(format string, local bool) *syslog {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &syslog{host, format == "json", local}
}

func (s *syslog) render(all []pair) []byte {
	priority, part, at := facilityDaemon|severity(valueOf(all, "level")), valueOf(all, "part"), valueOf(all, "time")
	var text string
	switch {
	case s.json:
		text = "@cee: " + s.object(all)
	case s.local && part != "":
		text = cut(textOf(all)+" part="+part, longestText)
	default:
		text = cut(textOf(all), longestText)
	}
	if s.local {
		t, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t = time.Now()
		}
		return fmt.Appendf(nil, "<%d>%s sluice[%d]: %s", priority, t.Format(time.Stamp), os.Getpid(), text)
	}
	at, part = cmp.Or(at, "-"), cmp.Or(part, "-")
	return fmt.Appendf(nil, "<%d>1 %s %s sluice %d %s - %s", priority, at, s.host, os.Getpid(), part, text)
}

// object is what the header does not say.
func (s *syslog) object(all []pair) string {
	var b strings.Builder
	for _, p := range all {
		if p.key == "level" || p.key == "time" || p.key == "part" && !s.local {
			continue
		}
		fmt.Fprintf(&b, ",%q:%s", p.key, p.raw)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}
