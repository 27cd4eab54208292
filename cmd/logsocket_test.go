package cmd

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"sluice/internal/testnet"
)

// reader is a socket that takes datagrams.
func reader(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	testnet.Must(t, "listen", err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func datagram(t *testing.T, from net.PacketConn) string {
	t.Helper()
	testnet.Must(t, "deadline", from.SetReadDeadline(time.Now().Add(patience)))
	text := make([]byte, 1<<16)
	n, _, err := from.ReadFrom(text)
	testnet.Must(t, "read", err)
	return string(text[:n])
}

// journalFields takes a datagram of the journal's protocol apart.
func journalFields(t *testing.T, text string) map[string]string {
	t.Helper()
	fields := make(map[string]string)
	for text != "" {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			t.Fatalf("no end of %q", text)
		}
		name, value, plain := strings.Cut(line, "=")
		if !plain {
			n := binary.LittleEndian.Uint64([]byte(rest[:8]))
			value, rest = rest[8:8+n], rest[8+n+1:]
		}
		fields[name], text = value, rest
	}
	return fields
}

func TestLogToTheJournalHasFields(t *testing.T) {
	path := testnet.SocketPath(t)
	journal := reader(t, path)
	c := plainLog
	c.Output, c.Format = "journald:unix:"+path, "console"
	l, err := newLogs(c, nil, nil)
	testnet.Must(t, "open", err)
	defer l.close()
	l.log.Named("health").Warn("web/b1 down: two\nlines", zap.String("pool", "web"), zap.Int("times", 3), zap.Strings("all", []string{"a", "b"}))
	got := journalFields(t, datagram(t, journal))
	for name, want := range map[string]string{
		"MESSAGE":  "web/b1 down: two\nlines pool=web times=3 all=\"[\\\"a\\\",\\\"b\\\"]\"",
		"PRIORITY": "4", "SYSLOG_IDENTIFIER": "sluice", "SYSLOG_PID": fmt.Sprint(os.Getpid()),
		"SLUICE_POOL": "web", "SLUICE_TIMES": "3", "SLUICE_ALL": `["a","b"]`, "SLUICE_PART": "health", "SLUICE_LEVEL": "warn",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestLogToSyslogIsAsTheStandardSays(t *testing.T) {
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer udp.Close()
	path := testnet.SocketPath(t)
	unix := reader(t, path)
	// RFC 5424, 6: HEADER SP STRUCTURED-DATA SP MSG
	head := regexp.MustCompile(`^<(\d+)>1 (\S+) \S+ sluice (\d+) (\S+) - (.*)$`)
	for _, tt := range []struct {
		output, format, want string
		from                 net.PacketConn
	}{
		{"syslog:" + udp.LocalAddr().String(), "auto", `connection listener=web client="" times=3`, udp},
		{"syslog:unix:" + path, "json", `@cee: {"msg":"connection","listener":"web","client":"","times":3}`, unix},
	} {
		c := plainLog
		c.Output, c.Format = tt.output, tt.format
		l, err := newLogs(c, nil, nil)
		testnet.Must(t, "open", err)
		l.log.Named("admin").Error("connection", zap.String("listener", "web"), zap.String("client", ""), zap.Int("times", 3))
		got := head.FindStringSubmatch(datagram(t, tt.from))
		l.close()
		if got == nil {
			t.Fatalf("%s: not as RFC 5424 has it", tt.output)
		}
		if _, err := time.Parse(time.RFC3339Nano, got[2]); err != nil || got[1] != "27" || got[3] != fmt.Sprint(os.Getpid()) || got[4] != "admin" || got[5] != tt.want {
			t.Errorf("%s: %q, %v, want %s", tt.output, got, err, tt.want)
		}
		if _, object, ok := strings.Cut(got[5], "@cee: "); ok && !json.Valid([]byte(object)) {
			t.Errorf("not JSON: %s", object)
		}
	}
}

// A journal that is started anew has another socket at the same path.
func TestLogFollowsAReaderThatIsStartedAnew(t *testing.T) {
	path := testnet.SocketPath(t)
	first := reader(t, path)
	var complaints bytes.Buffer
	c := plainLog
	c.Output = "journald:unix:" + path
	l, err := newLogs(c, nil, &complaints)
	testnet.Must(t, "open", err)
	defer l.close()
	l.log.Info("one")
	datagram(t, first)
	testnet.Must(t, "close", first.Close())
	l.log.Info("to nobody")
	testnet.Must(t, "flush", l.sink.flush())
	if got := l.sink.lostInAll(); got != 1 || strings.Count(complaints.String(), "\n") != 1 {
		t.Errorf("%d lost, complained %q", got, complaints.String())
	}
	_ = os.Remove(path)
	second := reader(t, path)
	l.log.Info("two")
	if got := journalFields(t, datagram(t, second))["MESSAGE"]; got != "two" {
		t.Errorf("got %q", got)
	}
	if got := journalFields(t, datagram(t, second))["SLUICE_LINES"]; got != "1" {
		t.Errorf("lost lines: %q", got)
	}
	// One that is there again at once loses nothing.
	testnet.Must(t, "close", second.Close())
	_ = os.Remove(path)
	third := reader(t, path)
	l.log.Info("three")
	if got := journalFields(t, datagram(t, third))["MESSAGE"]; got != "three" || l.sink.lostInAll() != 1 {
		t.Errorf("got %q, %d lost", got, l.sink.lostInAll())
	}
}

func TestLogToASocketThatIsNotThereIsAFault(t *testing.T) {
	c := plainLog
	c.Output = "syslog:unix:/nowhere/log"
	if _, err := newLogs(c, nil, nil); err == nil || !strings.Contains(err.Error(), "log.output: syslog:unix:/nowhere/log: ") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

func TestALongLineIsCutAndArrives(t *testing.T) {
	path := testnet.SocketPath(t)
	from := reader(t, path)
	c := plainLog
	c.Output = "syslog:unix:" + path
	l, err := newLogs(c, nil, nil)
	testnet.Must(t, "open", err)
	defer l.close()
	l.log.Info(strings.Repeat("é", longestText))
	if got := datagram(t, from); !strings.HasSuffix(got, "é...") || len(got) < longestText || len(got) > longestText+200 {
		t.Errorf("%d bytes, ends with %q", len(got), got[len(got)-10:])
	}
	if got := pairsOf([]byte("no JSON\n")); len(got) != 1 || got[0].value != "no JSON" || textOf(got) != "no JSON" {
		t.Errorf("got %v", got)
	}
}
