package testnet

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Descriptor is one open descriptor of this process.
type Descriptor struct {
	FD   int
	Link string // what /proc says it is: "socket:[12345]", "pipe:[678]", a path
}

// String is the descriptor with, for a socket, its addresses and state.
func (d Descriptor) String() string {
	s := fmt.Sprintf("%d %s", d.FD, d.Link)
	if inode, ok := strings.CutPrefix(d.Link, "socket:["); ok {
		s += " " + socketOf(strings.TrimSuffix(inode, "]"))
	}
	return s
}

// Descriptors lists what is open.
func Descriptors() []Descriptor { return DescriptorsOf("self") }

// DescriptorsOf lists what process pid has open; empty if there is none.
func DescriptorsOf(pid string) []Descriptor {
	dir := "/proc/" + pid + "/fd"
	entries, _ := os.ReadDir(dir)
	var open []Descriptor
	for _, e := range entries {
		link, err := os.Readlink(dir + "/" + e.Name())
		if err != nil {
			continue // the descriptor ReadDir itself used, or one closed meanwhile
		}
		fd, _ := strconv.Atoi(e.Name())
		open = append(open, Descriptor{fd, link})
	}
	return open
}

// Since lists what is open and is not in before.
func Since(before []Descriptor) []Descriptor {
	known := make(map[Descriptor]bool, len(before))
	for _, d := range before {
		known[d] = true
	}
	var fresh []Descriptor
	for _, d := range Descriptors() {
		if !known[d] {
			fresh = append(fresh, d)
		}
	}
	return fresh
}

var tcpStates = [...]string{1: "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2",
	"time-wait", "close", "close-wait", "last-ack", "listen", "closing"}

// socketOf describes the socket with this inode, as far as /proc/net knows it.
func socketOf(inode string) string {
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6", "unix"} {
		text, _ := os.ReadFile("/proc/self/net/" + table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			switch {
			case table == "unix" && len(f) > 6 && f[6] == inode:
				return strings.Join(append([]string{"unix"}, f[7:]...), " ")
			case table != "unix" && len(f) > 9 && f[9] == inode:
				state, _ := strconv.ParseUint(f[3], 16, 8)
				if int(state) < len(tcpStates) && strings.HasPrefix(table, "tcp") {
					return fmt.Sprintf("%s %s -> %s %s", table, procAddr(f[1]), procAddr(f[2]), tcpStates[state])
				}
				return fmt.Sprintf("%s %s -> %s", table, procAddr(f[1]), procAddr(f[2]))
			}
		}
	}
	return "(in no table: never bound or connected, or already reset)"
}

// procAddr reads the address of a line of /proc/net/tcp: words of 32 bits in
// the order of the host, then the port.
func procAddr(s string) netip.AddrPort {
	ip, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(ip)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	addr, _ := netip.AddrFromSlice(raw)
	n, _ := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr, uint16(n))
}

// openers are the stacks that made the sockets and files which are still
// referenced, taken from the heap profile: an open net.Conn or os.File is a
// live allocation. It knows nothing of descriptors made by a bare system call.
func openers() string {
	runtime.GC()
	runtime.GC() // the profile lags one collection behind
	records := make([]runtime.MemProfileRecord, 1<<16)
	n, ok := runtime.MemProfile(records, false)
	if !ok {
		return "\tthe heap profile is too large\n"
	}
	var b bytes.Buffer
	for _, r := range records[:n] {
		if r.InUseObjects() > 0 && opens(r.Stack()) {
			fmt.Fprintf(&b, "\n\t%d open by\n", r.InUseObjects())
			frames := runtime.CallersFrames(r.Stack())
			for {
				f, more := frames.Next()
				fmt.Fprintf(&b, "\t\t%s %s:%d\n", f.Function, f.File, f.Line)
				if !more {
					break
				}
			}
		}
	}
	return b.String()
}

func opens(stack []uintptr) bool {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if f.Function == "net.newFD" || f.Function == "os.newFile" {
			return true
		}
		if !more {
			return false
		}
	}
}
