package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// moves are the system calls that could bring payload into the process or out
// of it.
const moves = "read,write,readv,writev,pread64,pwrite64,preadv,pwritev,preadv2,pwritev2," +
	"recvfrom,sendto,recvmsg,sendmsg,recvmmsg,sendmmsg,sendfile,splice,vmsplice,tee," +
	"copy_file_range,mmap,process_vm_readv,process_vm_writev,io_uring_setup,io_uring_enter"

// UnderStrace runs the process under strace, which writes what it sees to file.
func UnderStrace(strace, file string) Option {
	return func(c *exec.Cmd) {
		// -D: strace is the child, so that our child is sluice. -yy: what each
		// descriptor is.
		c.Args = append([]string{strace, "-D", "-f", "-yy", "-s", "0", "-o", file, "-e", "trace=" + moves, c.Path}, c.Args[1:]...)
		c.Path = strace
	}
}

func TestPayloadMovesBySpliceAlone(t *testing.T) {
	strace := testnet.Need(t, "strace")[0]
	for _, way := range []struct{ name, client, server string }{
		{"tcp", "tcp4", "tcp4"}, {"unix", "unix", "unix"},
	} {
		t.Run(way.name, func(t *testing.T) {
			file := filepath.Join(testnet.Dir(t), "strace")
			p := Path{client: way.client, relay: "splice"}
			bulk := testnet.Start(t, way.server, testnet.Source(1, large()))
			small := testnet.Start(t, way.server, testnet.Lines)
			bulkAt, smallAt := p.bind(t), p.bind(t)
			if way.client == "tcp4" {
				smallAt = "127.0.0.2:0"
			}
			proxy := Sluice(t, twoListeners(bulkAt, bulk.Address, smallAt, small.Address), UnderStrace(strace, file))

			line := lineOf(t, proxy)
			c := testnet.Dial(t, proxy.Front("bulk"))
			testnet.Must(t, "receive", testnet.Stream(1).Receive(c, large()))
			c.Close()
			moved := 2*large() + 2*1000*int64(requests(t, proxy.Front("small"), 10, 100)*2)
			testnet.Eventually(t, 30*time.Second, "11 connections have ended", func() bool { return len(proxy.All(Connections)) == 11 })
			proxy.Stop()

			spliced, offences := readTrace(t, file, line)
			for i, o := range offences {
				if i == 10 {
					break
				}
				t.Errorf("%s", o)
			}
			// Each byte is spliced twice: from a socket, and to a socket.
			if spliced != moved {
				t.Errorf("%d bytes were spliced, want %d", spliced, moved)
			}
		})
	}
}

// lineOf is the number of the socket over which the two processes of sluice talk.
func lineOf(t *testing.T, p *Process) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/4", p.PID()))
	testnet.Must(t, "find the line", err)
	number, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		t.Fatalf("descriptor 4 is %s", link)
	}
	return strings.TrimSuffix(number, "]")
}

// requests makes 1,000 small requests in all, and returns the bytes of one.
func requests(t *testing.T, front string, conns, each int) int {
	t.Helper()
	const line = "a small request\n"
	for range conns {
		c := testnet.Dial(t, front)
		r := bufio.NewReader(c)
		for range each {
			io.WriteString(c, line)
			if got, err := r.ReadString('\n'); got != line || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		c.Close()
	}
	return len(line)
}

func twoListeners(bulkAt, bulk, smallAt, small string) string {
	return fmt.Sprintf(`
[listeners.bulk]
bind = %q
pool = "bulk"
[pools.bulk]
backends = [%q]
health = { type = "none" }
[listeners.small]
bind = %q
pool = "small"
[pools.small]
backends = [%q]
health = { type = "none" }
`, bulkAt, bulk, smallAt, small)
}

var (
	traced  = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	result  = regexp.MustCompile(`\) += (-?\d+)`)
)

// readTrace adds up what was spliced and lists the calls that moved payload in
// another way: any that took bytes from or gave bytes to a stream socket other
// than line, or a pipe that is not a standard stream.
func readTrace(t *testing.T, file, line string) (spliced int64, offences []string) {
	t.Helper()
	f, err := os.Open(file)
	testnet.Must(t, "open the trace", err)
	defer f.Close()
	unfinished := map[string]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := lines.Text()
		var call, rest string
		if m := resumed.FindStringSubmatch(text); m != nil {
			call, rest = m[2], unfinished[m[1]]+m[3]
		} else if m := traced.FindStringSubmatch(text); m != nil {
			call, rest = m[2], m[3]
			if before, ok := strings.CutSuffix(rest, "<unfinished ...>"); ok {
				unfinished[m[1]] = before
				continue
			}
		} else {
			continue // a signal, an exit
		}
		n := int64(0)
		if m := result.FindStringSubmatch(rest); m != nil {
			n, _ = strconv.ParseInt(m[1], 10, 64)
		}
		switch {
		case strings.Contains(rest, line):
		case call == "splice":
			spliced += max(n, 0)
		case n > 0 && call != "mmap" && onPayload(rest), strings.HasPrefix(call, "io_uring"), call == "tee", call == "vmsplice":
			offences = append(offences, text)
		case call == "mmap" && (strings.Contains(rest, "<TCP") || strings.Contains(rest, "<UNIX")):
			offences = append(offences, text)
		}
	}
	testnet.Must(t, "read the trace", lines.Err())
	return spliced, offences
}

var standard = regexp.MustCompile(`^[012]<`)

// onPayload reports whether the first descriptor of a call is one that payload
// passes through.
func onPayload(args string) bool {
	first, _, _ := strings.Cut(args, ",")
	if standard.MatchString(first) {
		return false
	}
	for _, kind := range []string{"<TCP", "<UNIX", "<pipe:", "<socket:"} {
		if strings.Contains(first, kind) {
			return true
		}
	}
	return false
}
