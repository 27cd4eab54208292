package keeper

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary runs itself as the worker of these tests: a server that says
// its process id, whose listening socket and connection are all that there is to
// keep. What it does when it starts is in roleVar, of the fallback in the same.
const roleVar = "KEEPER_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		if err := worker(role); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// worker serves until it is told to die in some way.
func worker(role string) error {
	number, err := strconv.Atoi(os.Getenv(Env))
	if err != nil {
		return err
	}
	page, err := OpenPage(number)
	if err != nil {
		return err
	}
	runs := int(page.attempt)
	switch {
	case role == "dies" && runs > 0:
		return fmt.Errorf("as asked")
	case role == "dies once" && runs == 1:
		return fmt.Errorf("as asked")
	case role == "hangs once" && runs == 1:
		for {
			unix.Pause()
		}
	}
	book := page.Book()
	if book < 0 {
		if book, err = newBook(); err != nil {
			return err
		}
	}
	if role == "dies with two keepers" && runs == 1 {
		cloned = func() {
			if holder := page.Holder(); holder > 0 {
				unix.Kill(holder, unix.SIGSTOP)
			}
			unix.Kill(os.Getpid(), unix.SIGKILL)
		}
	}
	if err := sweep(page, book); err != nil {
		return err
	}
	if err := Start(Options{Page: page, Book: book, Supervisor: os.Getppid(), Args: os.Args, Env: os.Environ(), Patience: time.Second}); err != nil {
		return err
	}
	page.Serve()
	if role == "dies soon" && runs == 1 {
		return fmt.Errorf("as asked")
	}
	var list [2]int32 // the listening socket and the connection
	f := bookFile(book)
	if err := binary.Read(io.NewSectionReader(f, 0, 8), binary.LittleEndian, &list); err != nil {
		return err
	}
	for {
		if list[1] == 0 {
			fd, _, err := unix.Accept4(int(list[0]), unix.SOCK_CLOEXEC)
			if err != nil {
				return err
			}
			list[1] = int32(fd)
			if _, err := f.WriteAt(binary.LittleEndian.AppendUint32(nil, uint32(fd)), 4); err != nil {
				return err
			}
		}
		one := make([]byte, 1)
		if n, err := unix.Read(int(list[1]), one); n != 1 {
			return fmt.Errorf("read: %d, %v", n, err)
		}
		if err := obey(one[0], page); err != nil {
			return err
		}
		if one[0] == '?' {
			if _, err := unix.Write(int(list[1]), fmt.Appendf(nil, "%d %d\n", os.Getpid(), page.attempt)); err != nil {
				return err
			}
		}
	}
}

// sweep closes what a worker inherits and does not need.
func sweep(page *Page, book int) error {
	if page.attempt == 0 {
		return nil
	}
	var list [2]int32
	if err := binary.Read(io.NewSectionReader(bookFile(book), 0, 8), binary.LittleEndian, &list); err != nil {
		return err
	}
	keep := append(page.Keeps(), 0, 1, 2, int(list[0]), int(list[1]))
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			return err
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 && !slices.Contains(keep, fd) {
			unix.Close(fd)
		}
	}
	return nil
}

func newBook() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return -1, err
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return -1, err
	}
	l.Close()
	unix.SetNonblock(int(f.Fd()), false)
	book, err := unix.MemfdCreate("book", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	list := binary.LittleEndian.AppendUint32(nil, uint32(f.Fd()))
	if _, err := unix.Write(book, append(list, 0, 0, 0, 0)); err != nil {
		return -1, err
	}
	fmt.Println(l.Addr())
	keepOpen = append(keepOpen, f)
	return book, nil
}

// keepOpen is what no finalizer may close.
var keepOpen []*os.File

func bookFile(fd int) *os.File {
	f := os.NewFile(uintptr(fd), "book")
	keepOpen = append(keepOpen, f)
	return f
}

// obey does what a byte asks for.
func obey(order byte, page *Page) error {
	switch order {
	case 'k':
		unix.Kill(os.Getpid(), unix.SIGKILL)
	case 'p':
		debug.SetTraceback("none")
		panic("as asked")
	case 'f': // a fatal error of the runtime, which no recover sees
		debug.SetTraceback("none")
		m := map[int]int{}
		var ready sync.WaitGroup
		for range 8 {
			ready.Add(1)
			go func() {
				ready.Done()
				for i := 0; ; i++ {
					m[i%8]++
				}
			}()
		}
		select {}
	case 'l':
		page.Leave()
		os.Exit(0)
	case 'u': // the same program, as another
		fd, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		page.Replace(fd, 1)
		os.Exit(0)
	case 'd': // a lot of memory is written to
		fill(1 << 26)
	}
	return nil
}

//go:noinline
func fill(n int) {
	m := make([]byte, n)
	for i := range m {
		m[i] = byte(i)
	}
	garbage = m
}

var garbage []byte

// stage is a test's supervisor with its client.
type stage struct {
	t      *testing.T
	page   *Page
	client net.Conn
	lines  *bufio.Reader
}

func play(t *testing.T, role string, env ...string) *stage {
	t.Helper()
	page, err := NewPage()
	if err != nil {
		t.Fatal(err)
	}
	// The page, as descriptor 3 of the worker.
	file := os.NewFile(uintptr(page.FD()), "page")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	env = append(append(os.Environ(), roleVar+"="+role, Env+"=3", "GORACE=atexit_sleep_ms=0"), env...)
	p, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{Env: env, Files: []*os.File{nil, w, os.Stderr, file}})
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	s := &stage{t: t, page: page}
	t.Cleanup(func() {
		if s.client != nil {
			s.client.Close()
		}
		p.Release()
		s.reap()
		runtime.KeepAlive(file)
	})
	address, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("the worker does not serve: %v", err)
	}
	r.Close()
	s.client, err = net.Dial("tcp4", strings.TrimSpace(address))
	if err != nil {
		t.Fatal(err)
	}
	s.lines = bufio.NewReader(s.client)
	return s
}

// reap ends whoever is left and waits for all of them.
func (s *stage) reap() {
	s.page.Leave()
	for {
		if pid := s.page.Worker(); pid != 0 {
			unix.Kill(pid, unix.SIGKILL)
		}
		var status unix.WaitStatus
		_, err := unix.Wait4(-1, &status, 0, nil)
		if err == unix.ECHILD {
			return
		}
	}
}

func (s *stage) say(order byte) {
	s.t.Helper()
	if _, err := s.client.Write([]byte{order}); err != nil {
		s.t.Fatalf("%c: %v", order, err)
	}
}

// ask is who serves the connection: its process id and which attempt it is.
func (s *stage) ask() (pid, attempt int) {
	s.t.Helper()
	s.say('?')
	s.client.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := s.lines.ReadString('\n')
	if err != nil {
		s.t.Fatalf("nobody answers: %v", err)
	}
	if _, err := fmt.Sscan(line, &pid, &attempt); err != nil {
		s.t.Fatal(err)
	}
	return pid, attempt
}

// last waits until a worker has lasted long enough for its death not to count.
func (s *stage) last() {
	s.t.Helper()
	for s.page.ready == 0 || monotonic()-s.page.tookOver < int64(Short) {
		time.Sleep(time.Until(time.Now().Add(time.Duration(s.page.tookOver + int64(Short) - monotonic()))))
	}
}
