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
	"sync"
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

// What is cut of a line: its text and each of its values. What a socket takes ends
// with some 64 KiB, so a line of many long values is tried again with short ones.
const (
	longestText = 32 << 10
	shortValue  = 1 << 10
)

// logSocket is such an output.
type logSocket struct {
	network, address string
	render           func([]pair) []byte

	mu   sync.Mutex // a reload ends a write while the writer may be dialling
	conn net.Conn   // replaced by the writer alone
	late time.Time  // when writes end; zero: never
}

// pair is a key of a line and its value: as JSON, and a string without quotes.
type pair struct {
	key, value string
	raw        json.RawMessage
}

// socketOf is what log.output names if it is a socket, else nil.
func socketOf(output, format string) *logSocket {
	kind, at, other := strings.Cut(output, ":")
	path, unix := strings.CutPrefix(at, "unix:")
	s := &logSocket{network: "unixgram", address: path}
	switch {
	case kind == "journald" && (!other || unix):
		s.render = renderJournal
		if !other {
			s.address = journalPath
		}
	case kind == "syslog":
		s.render = newSyslog(format, !other || unix).render
		if !other {
			s.address = syslogPath
		} else if !unix {
			s.network = "udp"
		}
	default:
		return nil
	}
	return s
}

// open finds out whether somebody is there, as far as that can be known. If
// nobody is, what was open stays.
func (s *logSocket) open() error {
	conn, err := net.DialTimeout(s.network, s.address, time.Second)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.conn = conn
	return conn.SetWriteDeadline(s.late)
}

// Write writes lines. It returns how many bytes of them have gone out, whole
// lines. A reader that is a new one by now gets the line that the old one did not.
func (s *logSocket) Write(lines []byte) (written int, err error) {
	for written < len(lines) {
		line := lines[written:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		all := pairsOf(line)
		err := s.send(s.render(shorten(all, longestText)))
		if errors.Is(err, syscall.EMSGSIZE) {
			err = s.send(s.render(shorten(all, shortValue)))
		}
		if err != nil {
			return written, err
		}
		written += len(line)
	}
	return written, nil
}

// send is one datagram.
func (s *logSocket) send(text []byte) error {
	_, err := s.conn.Write(text)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EPIPE) {
		if err = s.open(); err == nil {
			_, err = s.conn.Write(text)
		}
	}
	return err
}

// Close implements io.Closer.
func (s *logSocket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn.Close()
}

// SetWriteDeadline ends a write that waits for a reader that is stuck, and all
// after it, whoever reads by then.
func (s *logSocket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = t
	return s.conn.SetWriteDeadline(t)
}

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

func cut(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// shorten cuts values. One that was no string becomes one, which is JSON still.
func shorten(all []pair, most int) []pair {
	for i, p := range all {
		if len(p.value) > most {
			all[i].value = cut(p.value, most)
			all[i].raw, _ = json.Marshal(all[i].value)
		}
	}
	return all
}

// renderJournal is a line in the journal's native protocol: a line for each
// field, or, if its value has lines of its own, its length before it
// (systemd.io/JOURNAL_NATIVE_PROTOCOL).
func renderJournal(all []pair) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
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
	field("MESSAGE", cut(textOf(all), longestText))
	field("PRIORITY", fmt.Sprint(severity(valueOf(all, "level"))))
	field("SYSLOG_IDENTIFIER", "sluice")
	field("SYSLOG_PID", fmt.Sprint(os.Getpid()))
	for _, p := range all {
		field("SLUICE_"+strings.ToUpper(p.key), p.value)
	}
	return b.Bytes()
}
