package proxy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sluice/internal/sys"
	"sluice/internal/testnet"
)

// sorry writes a fallback file of n bytes.
func sorry(t *testing.T, n int) (File, []byte) {
	t.Helper()
	text := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(text)
	path := filepath.Join(t.TempDir(), "sorry")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return File{path, "first"}, text
}

func fallback(f File) func(*Listener, *Pool) {
	return func(l *Listener, p *Pool) { l.Fallback, p.Retries = f, 0 }
}

// wantAll reads to a clean end and compares.
func wantAll(t *testing.T, what string, c io.Reader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes, %v, want %d and a clean end", what, len(got), err, len(want))
	}
}

func TestFallbackFileWhereNoBackendCanBeHad(t *testing.T) {
	file, text := sorry(t, 100_000)
	for name, backends := range map[string][]string{"no backend": nil, "refused": {testnet.Refusing(t)}} {
		p := newPlane(t, fallback(file), backends...)
		for range 20 {
			c := p.dial()
			wantAll(t, name, c, text)
			c.Close()
			if r := p.record(); r.Down != uint64(len(text)) || !r.FellBack || r.Cause != NoBackend && r.Cause != ConnectFailed {
				t.Fatalf("%s: record %+v", name, r)
			}
		}
	}
	path := testnet.SocketPath(t)
	p := newPlane(t, func(l *Listener, pool *Pool) {
		l.Bind = append(l.Bind, Address{Unix: path})
		fallback(file)(l, pool)
	})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("hello"))
	wantAll(t, "unix", c, text)
	c.Close()
	if r := p.record(); r.Down != uint64(len(text)) {
		t.Errorf("record %+v", r)
	}
}

// A client that sends a lot before it reads, or that goes on sending, gets all of it.
func TestFallbackIsSentToAClientThatStillSends(t *testing.T) {
	file, text := sorry(t, 3<<20)
	p := newPlane(t, fallback(file))
	c := p.dial()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := io.Copy(c, io.LimitReader(zeros{}, 64<<20)); err != nil {
		t.Fatalf("sending: %d, %v", n, err)
	}
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 1000); ; {
			select {
			case <-stop:
				return
			default:
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
	}()
	wantAll(t, "while it sends", c, text)
	close(stop)
	<-done
	c.Close()
	if r := p.record(); r.Down != uint64(len(text)) || r.Up != 0 {
		t.Errorf("record %+v", r)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A large file to readers that do not read holds up nobody else.
func TestALargeFallbackDoesNotHoldAWorkerUp(t *testing.T) {
	const size = 100 << 20
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	p := newPlaneWith(t, Options{Workers: 1}, fallback(File{path, "x"}))
	var slow []*net.TCPConn
	for range 20 {
		slow = append(slow, p.dial())
	}
	for range 5 {
		c := p.dial()
		begun := time.Now()
		if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the first bytes took %v", took)
		}
		c.SetLinger(0)
		c.Close()
	}
	if n, err := io.Copy(io.Discard, slow[0]); n != size || err != nil {
		t.Errorf("one of the slow ones got %d bytes, %v", n, err)
	}
	for _, c := range slow {
		c.SetLinger(0)
		c.Close()
	}
	testnet.Eventually(t, 30*time.Second, "all have ended", func() bool { return p.active.Load() == 0 })
}

// Another file takes its place at a reload, and who is being sent the old one gets it
// to its end; no descriptor is left.
func TestAReloadOpensTheFallbackAnew(t *testing.T) {
	file, text := sorry(t, 8<<20)
	p := newPlane(t, fallback(file))
	c := p.dial()
	first := make([]byte, 1000)
	if _, err := io.ReadFull(c, first); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file.Path+".new", []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file.Path+".new", file.Path); err != nil {
		t.Fatal(err)
	}
	old := p.live.Load().listeners[1].fallback.fd
	p.publish(fallback(file)) // nothing says that it is another
	if now := p.live.Load().listeners[1].fallback.fd; now != old {
		t.Errorf("opened anew without a reason")
	}
	p.publish(fallback(File{file.Path, "second"}))
	wantAll(t, "the old one", c, text[1000:])
	c.Close()
	d := p.dial()
	wantAll(t, "the new one", d, []byte("changed"))
	d.Close()
	if err := publish(p.Server, fallback(File{file.Path + "none", ""})); err == nil || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("a file that is not there: %v", err)
	}
	p.publish(nil)
	if got := p.turnedAway("127.0.0.2"); got != "reset" {
		t.Errorf("without a file: %s", got)
	}
}

// A backend whose connect failed may be gone, and its number another's, when the
// client has the file.
func TestAReloadForgetsTheBackendBeforeTheFallbackIsSent(t *testing.T) {
	file, text := sorry(t, 24<<20)
	p := newPlane(t, fallback(file), testnet.Refusing(t))
	c := p.dial()
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	testnet.Eventually(t, 30*time.Second, "the number is free", func() bool {
		p.publish(fallback(file))
		return len(p.live.Load().backends) < 2 || p.live.Load().backends[1] == nil
	})
	wantAll(t, "the rest", c, text[1000:])
	c.Close()
	if r := p.record(); r.Cause != ConnectFailed || !r.FellBack || r.Backend != "" {
		t.Errorf("record %+v", r)
	}
}

func TestTheFallbackOutlivesTheServer(t *testing.T) {
	file, text := sorry(t, 24<<20)
	p := newPlane(t, fallback(file))
	c, idle := p.dial(), p.dial()
	got := make([]byte, len(text))
	for n, next := 0, 1<<20; n < len(got); {
		m, err := c.Read(got[n:])
		if n += m; err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		if n >= next {
			next += 6 << 20
			old := p.Server
			old.Pause()
			extra := []int{}
			if f := old.live.Load().listeners[1].fallback; f != nil { // the next process has it as well
				if fd, e := sys.Dup(f.fd); e == 0 {
					extra = append(extra, fd)
				}
			}
			if carried := p.succeed(old, fallback(file), nil, extra...); carried.Reset != 0 || carried.Connections != 2 {
				t.Fatalf("carried %+v", carried)
			}
		}
	}
	if !bytes.Equal(got, text) {
		t.Error("the bytes are others")
	}
	wantAll(t, "the rest", c, nil)
	c.Close()
	if r := p.record(); r.Down != uint64(len(text)) || !r.FellBack {
		t.Errorf("record %+v", r)
	}
	wantAll(t, "one that did not read until now", idle, text)
	idle.Close()
}
