package cmd

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/proxy"
)

// noticeLines runs do in a bubble of time and returns the messages logged,
// with the seconds at which they were.
func noticeLines(t *testing.T, do func(take func(proxy.Notice))) []string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		c := plainLog
		c.Format = "console"
		l, err := newLogs(c, &out, &out)
		if err != nil {
			t.Fatal(err)
		}
		n := newNotices(l.log)
		do(n.take)
		n.close()
		l.close()
	})
	var lines []string
	for line := range strings.Lines(out.String()) {
		// "2000-01-01T00:00:01.000Z warn text {...}": the seconds and the text are of
		// interest.
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		lines = append(lines, strings.TrimLeft(f[0][17:23], "0")+" "+f[2])
	}
	return lines
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNoticesOfAFlappingListenerAreOneLineASecond(t *testing.T) {
	paused := proxy.Notice{Kind: proxy.NoticePaused, Listener: "web", Errno: syscall.EMFILE}
	resumed := proxy.Notice{Kind: proxy.NoticeResumed, Listener: "web"}
	got := noticeLines(t, func(take func(proxy.Notice)) {
		for range 25 { // every 110 ms
			take(paused)
			take(resumed)
			time.Sleep(110 * time.Millisecond)
		}
		take(paused)
		time.Sleep(10 * time.Second)
		take(resumed)
	})
	wantLines(t, got,
		`.000 listener paused: no descriptor is free {"listener": "web", "error": "too many open files"}`,
		`.000 listener accepts again {"listener": "web"}`,
		`1.000 listener accepts again {"listener": "web", "times": 18}`,
		`2.000 listener accepts again {"listener": "web", "times": 18}`,
		// The last state is told though it came in a quiet time.
		`3.000 listener paused: no descriptor is free {"listener": "web", "error": "too many open files", "times": 13}`,
		`12.750 listener accepts again {"listener": "web"}`,
	)
}

func TestNoticesOfDifferentListenersDoNotHideEachOther(t *testing.T) {
	got := noticeLines(t, func(take func(proxy.Notice)) {
		take(proxy.Notice{Kind: proxy.NoticePaused, Listener: "a"})
		take(proxy.Notice{Kind: proxy.NoticePaused, Listener: "b"})
		take(proxy.Notice{Kind: proxy.NoticeAcceptFailed, Listener: "a", Errno: syscall.ENOBUFS})
		take(proxy.Notice{Kind: proxy.NoticePipeLimit, Errno: syscall.EPERM})
	})
	wantLines(t, got,
		`.000 listener paused: its limit of connections is reached {"listener": "a"}`,
		`.000 listener paused: its limit of connections is reached {"listener": "b"}`,
		`.000 accept failed {"listener": "a", "error": "no buffer space available"}`,
		`.000 no pipe is to be had: bytes of slow readers are copied until one is free {"error": "operation not permitted"}`,
	)
}

func TestNoticesLoseNoCount(t *testing.T) {
	got := noticeLines(t, func(take func(proxy.Notice)) {
		for range 10 {
			take(proxy.Notice{Kind: proxy.NoticeDropped, Count: 5})
		}
		time.Sleep(1500 * time.Millisecond)
		for range 10 {
			take(proxy.Notice{Kind: proxy.NoticeDropped, Count: 7})
		}
	})
	const lost = "access records were lost: they came faster than they could be logged"
	wantLines(t, got,
		`.000 `+lost+` {"count": 5}`,
		// What came in the quiet second is told at its end,
		`1.000 `+lost+` {"count": 45, "times": 9}`,
		// and what is held back when the process ends is told then.
		`1.500 `+lost+` {"count": 70, "times": 10}`,
	)
}
