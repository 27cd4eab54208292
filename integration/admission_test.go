package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// knock is what a client with an own address meets: its answer, "reset" or "closed".
func knock(t *testing.T, front, from string) string {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", front)
	if errors.Is(err, syscall.ECONNRESET) {
		return "reset"
	}
	testnet.Must(t, "dial", err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 64)
	switch n, err := c.Read(b); {
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, io.EOF):
		return "closed"
	default:
		testnet.Must(t, "read", err)
		return string(b[:n])
	}
}

// A list of networks is a file that can be changed at any time; what is wrong with
// it is told with its line, and the list in force stays.
func TestListOfNetworksIsWatched(t *testing.T) {
	hello := testnet.Start(t, "tcp4", testnet.Greet("hello"))
	list := filepath.Join(t.TempDir(), "deny.txt")
	write := func(text string) {
		t.Helper()
		testnet.Must(t, "write", os.WriteFile(list+".new", []byte(text), 0o644))
		testnet.Must(t, "rename", os.Rename(list+".new", list))
	}
	write("# nobody yet\n")
	p := Sluice(t, Setup{
		Runtime:  "watch = true",
		Listener: fmt.Sprintf("deny_files = [%q]", list),
		Backends: []string{hello.Address},
	}.TOML())
	front := p.Front("web")
	if got := knock(t, front, "127.0.0.7"); got != "hello" {
		t.Fatalf("before: got %q", got)
	}
	from := p.Len()
	write("127.0.0.6/31 # two of them\n")
	if _, ok := p.Await(from, patience, Says("reloaded")); !ok {
		t.Fatal("not reloaded")
	}
	if got := knock(t, front, "127.0.0.7"); got != "reset" {
		t.Errorf("denied: got %q", got)
	}
	if got := knock(t, front, "127.0.0.8"); got != "hello" {
		t.Errorf("not denied: got %q", got)
	}
	p.Say(patience, "who was denied", func(l Line) bool {
		return l.Msg == "connection" && l.Cause == "denied" && strings.HasPrefix(l.Client, "127.0.0.7:")
	})
	from = p.Len()
	write("127.0.0.0/8\nnobody\n")
	if _, ok := p.Await(from, patience, func(l Line) bool {
		return strings.Contains(l.Msg, list+`:2:1: found "nobody"`)
	}); !ok {
		t.Error("the fault was not told with its line")
	}
	if got := knock(t, front, "127.0.0.8"); got != "hello" {
		t.Errorf("after a list that is at fault: got %q", got)
	}
}
