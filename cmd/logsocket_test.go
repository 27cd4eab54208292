package cmd

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
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

func TestLogToSyslogIsAsItsReadersKnowIt(t *testing.T) {
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer udp.Close()
	path := testnet.SocketPath(t)
	unix := reader(t, path)
	// RFC 5424, 6: HEADER SP STRUCTURED-DATA SP MSG
	standard := regexp.MustCompile(`^<(\d+)>1 (\S+) \S+ sluice (\d+) admin - (.*)$`)
	// syslog(3) of glibc: no host, no year
	local := regexp.MustCompile(`^<(\d+)>([A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d) sluice\[(\d+)\]: (.*)$`)
	for _, tt := range []struct {
		output, format, want string
		from                 net.PacketConn
		head                 *regexp.Regexp
		time                 string
	}{
		{"syslog:" + udp.LocalAddr().String(), "auto", `connection listener=web client="" times=3`, udp, standard, time.RFC3339Nano},
		{"syslog:" + udp.LocalAddr().String(), "json", `@cee: {"msg":"connection","listener":"web","client":"","times":3}`, udp, standard, time.RFC3339Nano},
		{"syslog:unix:" + path, "auto", `connection listener=web client="" times=3 part=admin`, unix, local, time.Stamp},
		{"syslog:unix:" + path, "json", `@cee: {"part":"admin","msg":"connection","listener":"web","client":"","times":3}`, unix, local, time.Stamp},
	} {
		c := plainLog
		c.Output, c.Format = tt.output, tt.format
		l, err := newLogs(c, nil, nil)
		testnet.Must(t, "open", err)
		l.log.Named("admin").Error("connection", zap.String("listener", "web"), zap.String("client", ""), zap.Int("times", 3))
		text := datagram(t, tt.from)
		l.close()
		got := tt.head.FindStringSubmatch(text)
		if got == nil {
			t.Fatalf("%s: %q, want %v", tt.output, text, tt.head)
		}
		if _, err := time.Parse(tt.time, got[2]); err != nil || got[1] != "27" || got[3] != fmt.Sprint(os.Getpid()) || got[4] != tt.want {
			t.Errorf("%s: %q, %v, want %s", tt.output, got, err, tt.want)
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
	if got := datagram(t, from); !strings.HasSuffix(got, `é..."}`) || len(got) < longestText || len(got) > longestText+200 {
		t.Errorf("%d bytes, ends with %q", len(got), got[len(got)-10:])
	}
	if got := pairsOf([]byte("no JSON\n")); len(got) != 1 || got[0].value != "no JSON" || textOf(got) != "no JSON" {
		t.Errorf("got %v", got)
	}
}

// What is cut are values, so that the JSON is whole; and what no datagram holds
// costs neither its line nor those around it.
func TestALineThatNoDatagramHoldsIsCutFurther(t *testing.T) {
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	defer udp.Close()
	s := socketOf("syslog:"+udp.LocalAddr().String(), "json")
	testnet.Must(t, "open", s.open())
	defer s.Close()
	line := func(values ...string) string {
		text, err := json.Marshal(map[string]any{"msg": "connection", "all": values, "one": strings.Join(values, "")})
		testnet.Must(t, "marshal", err)
		return string(text) + "\n"
	}
	half, whole := strings.Repeat("x", 20<<10), strings.Repeat("y", 40<<10)
	batch := line("a") + line(half) + line(whole) + line("b")
	n, err := s.Write([]byte(batch))
	if n != len(batch) || err != nil {
		t.Fatalf("%d bytes of %d, %v", n, len(batch), err)
	}
	for i, want := range []int{1, 20 << 10, shortValue + 3, 1} {
		_, object, _ := strings.Cut(datagram(t, udp), "@cee: ")
		var got struct{ Msg, One string }
		if err := json.Unmarshal([]byte(object), &got); err != nil || got.Msg != "connection" || len(got.One) != want {
			t.Errorf("line %d: %v, %d bytes of a value, want %d", i, err, len(got.One), want)
		}
	}
}

// A reload ends the write of an output that is stuck, also if the writer is just
// looking for the reader that came after it.
func TestADeadlineHoldsForTheNextReader(t *testing.T) {
	path := testnet.SocketPath(t)
	reader(t, path)
	s := socketOf("journald:unix:"+path, "json")
	testnet.Must(t, "open", s.open())
	defer s.Close()
	testnet.Must(t, "deadline", s.SetWriteDeadline(time.Now()))
	testnet.Must(t, "open again", s.open())
	if _, err := s.Write([]byte("{}\n")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want that its time is over", err)
	}
	var both sync.WaitGroup // for the race detector
	both.Go(func() {
		for range 100 {
			_ = s.SetWriteDeadline(time.Time{})
		}
	})
	both.Go(func() {
		for range 100 {
			_ = s.open()
		}
	})
	both.Wait()
}
