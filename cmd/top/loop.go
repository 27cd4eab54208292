package top

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"sluice/internal/sys"
)

const (
	redrawEvery = time.Second     // ages grow though nothing is told
	askWithin   = 5 * time.Second // an answer about connections, or to an order
)

// loop owns the state and the terminal. It is one goroutine; what others find
// out they post, as a func that it calls.
//
//	reading --Ctrl-Z, TSTP--> stopped: the terminal is as it was before
//	   ^                          |
//	   +---------- CONT ----------+
type loop struct {
	state
	from     Balancer
	terminal terminal
	screen   screen
	posts    chan func()
	ctx      context.Context
	stopped  bool
	over     bool
	why      error

	looking look
}

// Run shows the balancer on a terminal and obeys keys, until q or a signal. The
// terminal is as it was before when it returns, or panics.
func Run(ctx context.Context, from Balancer, in, out *os.File, colour bool) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{from: from, terminal: terminal{in: in, out: out}, screen: screen{to: out, colour: colour}, posts: make(chan func(), 64), ctx: ctx}
	defer cancel()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT)
	defer signal.Stop(signals)
	defer l.terminal.leave()
	if err := l.terminal.enter(); err != nil {
		return err
	}
	l.start(func() {
		err := readKeys(in, func(key string) { l.post(func() { l.press(key) }) })
		l.post(func() { l.end(err) })
	})
	l.start(l.listen)
	return l.run(signals)
}

func (l *loop) run(signals <-chan os.Signal) error {
	redraw := time.NewTicker(redrawEvery)
	defer redraw.Stop()
	for !l.over {
		if err := l.draw(); err != nil {
			return err
		}
		select {
		case do := <-l.posts:
			do()
		case s := <-signals:
			l.signal(s)
		case <-redraw.C:
			l.look()
		}
	}
	return l.why
}

// post passes do to the loop's goroutine.
func (l *loop) post(do func()) {
	select {
	case l.posts <- do:
	case <-l.ctx.Done():
	}
}

// start runs f on a goroutine of its own. A panic there becomes one of the loop,
// which puts the terminal back first.
func (l *loop) start(f func()) {
	go func() {
		defer func() {
			if p := recover(); p != nil {
				stack := debug.Stack()
				l.post(func() { panic(fmt.Sprintf("%v\n%s", p, stack)) })
			}
		}()
		f()
	}()
}

func (l *loop) end(why error) {
	l.over, l.why = true, why
	if errors.Is(why, os.ErrClosed) || errors.Is(why, syscall.EIO) { // who looked has hung up
		l.why = nil
	}
}

// listen follows the stream, and asks for it again when it is lost: a handover
// ends it, and so does a crash.
func (l *loop) listen() {
	for l.ctx.Err() == nil {
		err := follow(l.ctx, l.from, func(n news) {
			l.post(func() {
				l.lost = ""
				l.model.take(n)
			})
		})
		l.post(func() { l.lose(err) })
		select {
		case <-l.ctx.Done():
		case <-time.After(again):
		}
	}
}

func (l *loop) lose(err error) {
	l.lost = fmt.Sprintf("lost: %v", err)
	if l.model.known {
		l.lost += "; this is of " + l.model.whole.Time.Local().Format(time.TimeOnly)
	}
}

func (l *loop) signal(s os.Signal) {
	switch s {
	case syscall.SIGWINCH:
		l.screen.forget()
	case syscall.SIGTSTP:
		l.stop()
	case syscall.SIGCONT: // of our own stop, or of one that nobody told us of
		l.stopped = false
		l.terminal.leave()
		if err := l.terminal.enter(); err != nil {
			l.end(err)
		}
		l.screen.forget()
	default:
		l.end(nil)
	}
}

func (l *loop) stop() {
	if os.Getpid() == 1 { // the first process of a container cannot be stopped
		return
	}
	l.stopped = true
	l.terminal.leave()
	sys.StopSelf()
}

func (l *loop) draw() error {
	if l.stopped {
		return nil
	}
	columns, rows := l.terminal.size()
	return l.screen.show(l.frame(columns, rows, time.Now()))
}

// press obeys a key.
func (l *loop) press(key string) {
	now := time.Now()
	if q := l.ask; q != nil {
		l.ask = nil
		if key == "y" || key == "Y" {
			l.give(q)
		}
		return
	}
	l.said = ""
	switch key {
	case "q", "Q", keyStop:
		l.end(nil)
	case keySuspend:
		l.stop()
	case keyTab:
		l.turn((l.page + 1) % pages)
	case "1", "2", "3":
		l.turn(page(key[0] - '1'))
	case "s":
		l.sort[l.page] = (l.sort[l.page] + 1) % len(sorts[l.page])
		l.look()
	case keyUp, "k":
		l.move(-1, now)
	case keyDown, "j":
		l.move(1, now)
	case keyPageUp:
		l.move(-10, now)
	case keyPageDown:
		l.move(10, now)
	case "d", "m", "r", "x":
		q := l.order(key, now)
		if q != nil && l.model.whole.Status.ReadOnly {
			l.said = "nothing can be changed: admin.read_only is set"
			return
		}
		l.ask = q
	}
}

func (l *loop) turn(to page) {
	l.page = to
	l.look()
}

// give gives an order and says what became of it.
func (l *loop) give(q *question) {
	l.said = "asking"
	l.start(func() {
		ctx, cancel := context.WithTimeout(l.ctx, askWithin)
		defer cancel()
		said, err := q.do(ctx, l.from)
		if err != nil {
			said = err.Error()
		}
		l.post(func() {
			l.said, l.looking.sorted = said, ""
			l.look()
		})
	})
}
