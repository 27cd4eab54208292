package cmd

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"sluice/proxy"
)

// noticeQuiet is how long a notice keeps others of its kind from being logged.
const noticeQuiet = time.Second

// notices logs what the proxy has to say about itself, each kind at once but
// not again and again:
//
//	silent --first: logged--> quiet for noticeQuiet --none came--> silent
//	                            ^        |
//	                            +--some came: the last is logged, with their number
//
// Pausing and resuming share one quiet time in which each may be logged once,
// so that the last line about a listener is always its present state.
type notices struct {
	log *zap.Logger

	mu    sync.Mutex
	quiet map[noticeKey]*noticeState
}

type noticeKey struct {
	kind     proxy.NoticeKind // NoticePaused stands for NoticeResumed too
	listener string
}

type noticeState struct {
	timer *time.Timer
	shown [2]bool // in this quiet time: the kind itself, and NoticeResumed
	held  int     // notices not logged yet
	count uint64  // the sum of their Count
	last  proxy.Notice
}

func newNotices(log *zap.Logger) *notices {
	return &notices{log: log, quiet: make(map[noticeKey]*noticeState)}
}

// take is proxy.Options.Notice.
func (t *notices) take(n proxy.Notice) {
	key := noticeKey{n.Kind, n.Listener}
	which := 0
	if n.Kind == proxy.NoticeResumed {
		key.kind, which = proxy.NoticePaused, 1
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.quiet[key]
	if s == nil {
		s = &noticeState{}
		t.quiet[key] = s
		s.timer = time.AfterFunc(noticeQuiet, func() { t.over(key, s) })
	}
	if s.held > 0 || s.shown[which] {
		s.held++
		s.count += n.Count
		s.last = n
		return
	}
	s.shown[which] = true
	t.emit(n, n.Count, 1)
}

// over ends a quiet time.
func (t *notices) over(key noticeKey, s *noticeState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.quiet[key] != s {
		return // close was faster
	}
	if s.held == 0 {
		delete(t.quiet, key)
		return
	}
	t.emit(s.last, s.count, s.held)
	s.shown, s.held, s.count = [2]bool{true, true}, 0, 0
	s.timer.Reset(noticeQuiet)
}

// close logs what was held back. No notice may come after it.
func (t *notices) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, s := range t.quiet {
		s.timer.Stop()
		if s.held > 0 {
			t.emit(s.last, s.count, s.held)
		}
		delete(t.quiet, key)
	}
}

// emit logs n, which stands for times notices with count in all.
func (t *notices) emit(n proxy.Notice, count uint64, times int) {
	var f []zap.Field
	if n.Listener != "" {
		f = append(f, zap.String("listener", n.Listener))
	}
	if n.Errno != 0 {
		f = append(f, zap.String("error", n.Errno.Error()))
	}
	if count > 0 {
		f = append(f, zap.Uint64("count", count))
	}
	if times > 1 {
		f = append(f, zap.Int("times", times))
	}
	switch n.Kind {
	case proxy.NoticePaused:
		why := "its limit of connections is reached"
		if n.Errno != 0 {
			why = "no descriptor is free"
		}
		t.log.Warn("listener paused: "+why, f...)
	case proxy.NoticeResumed:
		t.log.Info("listener accepts again", f...)
	case proxy.NoticeAcceptFailed:
		t.log.Warn("accept failed", f...)
	case proxy.NoticeDropped:
		t.log.Warn("access records were lost: they came faster than they could be logged", f...)
	case proxy.NoticePipeLimit:
		t.log.Warn("no pipe is to be had: bytes of slow readers are copied until one is free", f...)
	case proxy.NoticeNoMPTCP:
		t.log.Warn("no MPTCP: the kernel refuses it (see sysctl net.mptcp.enabled), clients are served by TCP alone", f...)
	default:
		t.log.Warn("notice of an unknown kind", append(f, zap.Uint8("kind", uint8(n.Kind)))...)
	}
}
