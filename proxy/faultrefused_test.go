//go:build fault

package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// Who was turned away by a guard is counted once, also if the process was killed
// between the two counts of him.
func TestFaultWhenAGuardRefuses(t *testing.T) {
	l := newLine(t, orders{Workers: 1, Deny: true}, "refused")
	turnedAway := func() {
		t.Helper()
		c, err := net.DialTimeout("tcp", l.address.String(), 20*time.Second)
		if err == nil {
			c.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = io.Copy(io.Discard, c)
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) { // which may come before connect(2) has returned
			t.Errorf("the client: %v, want a reset", err)
		}
	}
	turnedAway()
	l.stopped()
	if carried := l.succeed(""); carried.Connections != 0 || carried.Reset != 0 || len(carried.Why) > 0 {
		t.Errorf("carried %+v", carried)
	}
	denied := fmt.Sprint(int(Denied))
	if s := l.idle(); s.Accepted != 1 || s.Closed[denied] != 1 {
		t.Errorf("after the kill %+v", s)
	}
	turnedAway()
	testnet.Eventually(t, 20*time.Second, "the second is counted", func() bool {
		s := l.stats()
		return s.Accepted == 2 && s.Closed[denied] == 2
	})
	l.end()
}

// Who waits for a backend when the process is killed waits in the next one, and is
// served when there is room.
func TestFaultInTheQueue(t *testing.T) {
	l := newLine(t, orders{Workers: 1, Backends: echoing(t), Most: 1}, "queued")
	served, goOn := make(chan struct{}), make(chan struct{})
	first := l.talk(func(c net.Conn) error {
		if _, err := testnet.Exchange(c.(testnet.Conn), 2, 1000); err != nil {
			close(served)
			return err
		}
		close(served)
		<-goOn
		_, err := testnet.Exchange(c.(testnet.Conn), 2, 1000)
		return errors.Join(err, c.Close())
	})
	<-served
	second := l.talk(exchange)
	l.stopped()
	carried := l.succeed("")
	if carried.Connections != 2 || carried.Reset != 0 || len(carried.Why) > 0 {
		t.Errorf("carried %+v", carried)
	}
	close(goOn)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	s := l.idle()
	l.end()
	if s.Accepted != 2 || s.Closed[fmt.Sprint(int(Completed))] != 2 || len(l.records) != 2 {
		t.Errorf("%+v, records %+v", s, l.records)
	}
}

// A client that is sent the fallback file gets all of it, once.
func TestFaultAtEveryMomentOfTheFallback(t *testing.T) {
	file, text := sorry(t, faultBytes)
	receive := func(c net.Conn) error {
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, text) {
			return fmt.Errorf("%d bytes of %d, %w", len(got), len(text), err)
		}
		return c.Close()
	}
	for _, name := range []string{"fallback noted", "fallback sent", "fallback sent:3", "lingering"} {
		for cause, backends := range map[Cause][]string{NoBackend: nil, ConnectFailed: {testnet.Refusing(t)}} {
			for _, mptcp := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/%v", name, cause, mptcp), func(t *testing.T) {
					l := newLine(t, orders{Workers: 1, Backends: backends, Fallback: file.Path, MPTCP: mptcp}, name)
					talked := l.talk(receive)
					l.stopped()
					carried := l.succeed("")
					(&moment{want: Record{Cause: cause, Down: faultBytes}}).judge(t, l, carried, talked)
					if r := l.records[0]; !r.FellBack {
						t.Errorf("record %+v", r)
					}
				})
			}
		}
	}
	t.Run("the files are closed", func(t *testing.T) {
		l := newLine(t, orders{Workers: 1, Fallback: file.Path}, "lingering")
		talked := l.talk(receive)
		l.stopped()
		l.succeed("")
		if err := <-talked; err != nil {
			t.Error(err)
		}
		l.idle()
		open := slices.DeleteFunc(testnet.DescriptorsOf(fmt.Sprint(l.pid)), func(d testnet.Descriptor) bool { return !strings.HasPrefix(d.Link, file.Path) })
		if len(open) != 1 {
			t.Errorf("open are %v, want one of the listener", open)
		}
		l.end()
	})
}
