package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Where the log is a socket that takes one datagram for each line, lines come to
// it as JSON, whatever log.format is, and are rendered anew by the one goroutine
// that writes.

// Sockets that are there unless another is named.
const (
	journalPath = "/run/systemd/journal/socket"
	syslogPath  = "/dev/log"
)

// longestText is how much of a line is written; what a socket takes ends with
// some 64 KiB.
const longestText = 32 << 10

// logSocket is such an output.
type logSocket struct {
	network, address string
	render           func([]pair) []byte
	conn             net.Conn
}

// pair is a key of a line and its value: as JSON, and a string without quotes.
type pair struct {
	key, value string
	raw        json.RawMessage
}

// socketOf is what log.output names if it is a socket, else nil.
func socketOf(output, format string) *logSocket {
	kind, at, other := strings.Cut(output, ":")
	var s *logSocket
	switch {
	case kind == "journald" && (!other || strings.HasPrefix(at, "unix:")):
		s = &logSocket{address: journalPath, render: renderJournal}
	case kind == "syslog":
		s = &logSocket{address: syslogPath, render: newSyslog(format).render}
	default:
		return nil
	}
	s.network = "unixgram"
	if path, unix := strings.CutPrefix(at, "unix:"); unix {
		s.address = path
	} else if other {
		s.network, s.address = "udp", at
	}
	return s
}

// open finds out whether somebody is there, as far as that can be known.
func (s *logSocket) open() (err error) {
	s.conn, err = net.DialTimeout(s.network, s.address, time.Second)
	return err
}

// Write writes lines. It returns how many bytes of them have gone out, whole
// lines. A reader that is a new one by now gets the line that the old one did not.
func (s *logSocket) Write(lines []byte) (written int, err error) {
	for written < len(lines) {
		line := lines[written:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		text := s.render(pairsOf(line))
		_, err := s.conn.Write(text)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EPIPE) {
			if err = s.again(); err == nil {
				_, err = s.conn.Write(text)
			}
		}
		if err != nil {
			return written, err
		}
		written += len(line)
	}
	return written, nil
}

func (s *logSocket) again() error {
	old := s.conn
	if err := s.open(); err != nil {
		s.conn = old
		return err
	}
	return old.Close()
}

// Close implements io.Closer.
func (s *logSocket) Close() error { return s.conn.Close() }

// SetWriteDeadline ends a write that waits for a reader that is stuck.
func (s *logSocket) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// pairsOf takes a line of JSON apart. What is not one is a message.
func pairsOf(line []byte) (all []pair) {
	line = bytes.TrimSpace(line)
	d := json.NewDecoder(bytes.NewReader(line))
	if _, err := d.Token(); err != nil {
		return message(line)
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		name, ok := key.(string)
		if err != nil || !ok {
			return message(line)
		}
		text := string(value)
		if text[0] == '"' {
			_ = json.Unmarshal(value, &text)
		}
		all = append(all, pair{name, text, value})
	}
	return all
}

func message(line []byte) []pair {
	raw, _ := json.Marshal(string(line))
	return []pair{{"msg", string(line), raw}}
}

func valueOf(all []pair, key string) string {
	if i := slices.IndexFunc(all, func(p pair) bool { return p.key == key }); i >= 0 {
		return all[i].value
	}
	return ""
}

// textOf is a line for people: its message, and what more it says.
func textOf(all []pair) string {
	var b strings.Builder
	b.WriteString(valueOf(all, "msg"))
	for _, p := range all {
		switch {
		case slices.Contains([]string{"level", "time", "part", "msg"}, p.key):
		case strings.ContainsAny(p.value, " \"=\n\t") || p.value == "":
			fmt.Fprintf(&b, " %s=%q", p.key, p.value)
		default:
			fmt.Fprintf(&b, " %s=%s", p.key, p.value)
		}
	}
	return b.String()
}

// severity is that of syslog(3).
func severity(level string) int {
	switch level {
	case "debug":
		return 7
	case "warn":
		return 4
	case "error":
		return 3
	}
	return 6
}

func cut(text string) string {
	if len(text) > longestText {
		return strings.ToValidUTF8(text[:longestText], "") + "..."
	}
	return text
}

// renderJournal is a line in the journal's native protocol: a line for each
// field, or, if its value has lines of its own, its length before it
// (systemd.io/JOURNAL_NATIVE_PROTOCOL).
func renderJournal(all []pair) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		value = cut(value)
		if !strings.Contains(value, "\n") {
			fmt.Fprintf(&b, "%s=%s\n", name, value)
			return
		}
		b.WriteString(name + "\n")
		var size [8]byte
		for i := range size {
			size[i] = byte(len(value) >> (8 * i))
		}
		b.Write(size[:])
		b.WriteString(value + "\n")
	}
	field("MESSAGE", textOf(all))
	field("PRIORITY", fmt.Sprint(severity(valueOf(all, "level"))))
	field("SYSLOG_IDENTIFIER", "sluice")
	field("SYSLOG_PID", fmt.Sprint(os.Getpid()))
	for _, p := range all {
		field("SLUICE_"+strings.ToUpper(p.key), p.value)
	}
	return b.Bytes()
}
