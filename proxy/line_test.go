package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// A line is processes that follow one another, each with a Server that goes on
// where the one before was killed. This process is what the keeper is in earnest:
// it has a copy of every descriptor of the one that is to die, and starts the next
// with them.
type line struct {
	t       *testing.T
	orders  orders
	address netip.AddrPort
	records []Record // in the order in which they were heard

	process
	held map[int]int // copies of the descriptors of the one before, by their number there
}

// process is the one that lives.
type process struct {
	pid  int
	in   *os.File
	from *os.File
	out  *bufio.Reader
	book int
}

// newLine starts the first of a line, which is to stop at a fault.
func newLine(t *testing.T, o orders, fault string) *line {
	t.Helper()
	l := &line{t: t, orders: o}
	t.Cleanup(func() {
		l.kill()
		l.letGo()
	})
	l.start(fault)
	l.ready()
	return l
}

// start starts a process with the descriptors that are held.
func (l *line) start(fault string) {
	l.t.Helper()
	l.orders.Book = l.book
	text, err := json.Marshal(l.orders)
	testnet.Must(l.t, "orders", err)
	stdin, in, err := os.Pipe()
	testnet.Must(l.t, "pipe", err)
	from, stdout, err := os.Pipe()
	testnet.Must(l.t, "pipe", err)
	files := []uintptr{stdin.Fd(), stdout.Fd(), 2}
	for fd, copied := range l.held {
		for len(files) <= fd {
			files = append(files, ^uintptr(0))
		}
		files[fd] = uintptr(copied)
	}
	env := append(os.Environ(), childVar+"="+string(text), "SLUICE_FAULT="+fault)
	pid, err := syscall.ForkExec("/proc/self/exe", []string{os.Args[0]}, &syscall.ProcAttr{Env: env, Files: files})
	testnet.Must(l.t, "start a child", err)
	stdin.Close()
	stdout.Close()
	l.process = process{pid: pid, in: in, from: from, out: bufio.NewReader(from)}
	from.SetReadDeadline(time.Now().Add(time.Minute))
}

// ready waits until it has adopted, and lets go of what is held.
func (l *line) ready() {
	l.t.Helper()
	var r childReady
	l.hear("ready", &r)
	if l.address.IsValid() && r.Address != l.address {
		l.t.Errorf("its address is %s and was %s", r.Address, l.address)
	}
	l.address, l.book = r.Address, r.Book
	l.letGo()
}

// hear waits for a line that begins with a word.
func (l *line) hear(word string, into any) {
	l.t.Helper()
	for {
		text, err := l.out.ReadString('\n')
		testnet.Must(l.t, "wait for "+word, err)
		got, data, _ := strings.Cut(text, " ")
		switch got {
		case word:
			testnet.Must(l.t, "read "+text, json.Unmarshal([]byte(data), into))
			return
		case "record":
			l.note(data)
		default:
			l.t.Fatalf("heard %q, waiting for %s", text, word)
		}
	}
}

func (l *line) note(data string) {
	var r Record
	testnet.Must(l.t, "read "+data, json.Unmarshal([]byte(data), &r))
	l.records = append(l.records, r)
}

// ask tells the process a word and hears its answer.
func (l *line) ask(word, answer string, into any) {
	l.t.Helper()
	_, err := fmt.Fprintln(l.in, word)
	testnet.Must(l.t, word, err)
	l.hear(answer, into)
}

// stop stops the process wherever it is.
func (l *line) stop() {
	l.t.Helper()
	testnet.Must(l.t, "stop", syscall.Kill(l.pid, syscall.SIGSTOP))
	l.stopped()
}

// stopped waits until the process has stopped at its fault.
func (l *line) stopped() {
	l.t.Helper()
	late := time.AfterFunc(20*time.Second, func() { syscall.Kill(l.pid, syscall.SIGKILL) })
	defer late.Stop()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(l.pid, &status, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		testnet.Must(l.t, "wait for the fault", err)
		break
	}
	if !status.Stopped() {
		l.pid = 0
		l.t.Fatalf("the process never came to its fault: %v, signal %v", status.Exited(), status.Signal())
	}
}

// hold takes a copy of every descriptor of the process, which has stopped.
func (l *line) hold() {
	l.t.Helper()
	pidfd, _, e := syscall.Syscall(sysPidfdOpen, uintptr(l.pid), 0, 0)
	if e != 0 {
		l.t.Fatal("pidfd_open: ", e)
	}
	defer syscall.Close(int(pidfd))
	l.held = map[int]int{}
	for _, d := range testnet.DescriptorsOf(fmt.Sprint(l.pid)) {
		if d.FD <= 2 {
			continue
		}
		copied, _, e := syscall.Syscall(sysPidfdGetfd, pidfd, uintptr(d.FD), 0)
		if e != 0 {
			l.t.Fatalf("pidfd_getfd of %v: %v", d, e)
		}
		l.held[d.FD] = int(copied)
	}
}

// pidfd_open(2) and pidfd_getfd(2) have these numbers on every architecture.
const (
	sysPidfdOpen  = 434
	sysPidfdGetfd = 438
)

func (l *line) letGo() {
	for _, fd := range l.held {
		syscall.Close(fd)
	}
	l.held = nil
}

// kill ends the process, and hears what it had said.
func (l *line) kill() {
	if l.pid == 0 {
		return
	}
	syscall.Kill(l.pid, syscall.SIGKILL)
	syscall.Wait4(l.pid, nil, 0, nil)
	l.pid = 0
	for {
		text, err := l.out.ReadString('\n')
		if err != nil {
			break
		}
		if data, ok := strings.CutPrefix(text, "record "); ok {
			l.note(data)
		}
	}
	l.in.Close()
	l.from.Close()
}

// succeed kills the process where it has stopped and starts the next, which may
// have a fault of its own.
func (l *line) succeed(fault string) Carried {
	l.t.Helper()
	book := l.book
	l.hold()
	l.kill()
	l.book = book
	l.start(fault)
	l.ready()
	return l.begin()
}

func (l *line) begin() (c Carried) {
	l.t.Helper()
	l.ask("begin", "carried", &c)
	return c
}

func (l *line) stats() (s childStats) {
	l.t.Helper()
	l.ask("stats", "stats", &s)
	return s
}

// idle waits until no connection is left, and checks that no descriptor is.
func (l *line) idle() childStats {
	l.t.Helper()
	var s childStats
	testnet.Eventually(l.t, 30*time.Second, "no connection is left", func() bool { s = l.stats(); return s.Active == 0 })
	sockets, pipes := 0, 0
	for _, d := range testnet.DescriptorsOf(fmt.Sprint(l.pid)) {
		switch {
		case strings.HasPrefix(d.Link, "socket:"):
			sockets++
		case strings.HasPrefix(d.Link, "pipe:") && d.FD > 2:
			pipes++
		}
	}
	doors := 1
	if l.orders.Unix != "" {
		doors++
	}
	if s = l.stats(); sockets != doors || pipes != 2*int(s.PipesOpen) {
		l.t.Errorf("%d sockets and %d descriptors of pipes are open, with %d doors and %d pipes", sockets, pipes, doors, s.PipesOpen)
	}
	return s
}

// end shuts the process down, after which every record was heard.
func (l *line) end() {
	l.t.Helper()
	var nothing any
	l.ask("end", "ended", &nothing)
	l.kill()
}
