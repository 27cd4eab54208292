package cmd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"sluice/config"
)

// listening is the set of addresses that accept connections in one network
// namespace, as /proc/net tells it (proc_pid_net(5)).
type listening struct {
	tcp  map[netip.AddrPort]bool
	unix map[string]bool
}

// tcpListen is TCP_LISTEN in the column "st" of /proc/net/tcp.
const tcpListen = "0A"

// unixAccepts is __SO_ACCEPTCON in the column "Flags" of /proc/net/unix.
const unixAccepts = 1 << 16

// readListening reads tcp, tcp6 and unix in dir; a kernel without one of the
// families has no such file.
func readListening(dir fs.FS) (*listening, error) {
	l := &listening{tcp: make(map[netip.AddrPort]bool), unix: make(map[string]bool)}
	for _, f := range []struct {
		name  string
		parse func(io.Reader) error
	}{
		{"tcp", l.parseTCP},
		{"tcp6", l.parseTCP},
		{"unix", l.parseUnix},
	} {
		r, err := dir.Open(f.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = f.parse(r)
		_ = r.Close()
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

// ownListening is what listens in the namespace of this process.
func ownListening() (*listening, error) { return readListening(os.DirFS("/proc/self/net")) }

// parseTCP takes lines such as
//
//	0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 ...
//
// and passes over those that it does not understand.
func (l *listening) parseTCP(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != tcpListen {
			continue
		}
		if a, ok := parseProcAddr(f[1]); ok {
			l.tcp[a] = true
		}
	}
	return lines.Err()
}

// parseProcAddr reads ADDRESS:PORT, both hexadecimal. An address is one or four
// words that the kernel printed as numbers of this machine, though the bytes in
// them are in network order.
func parseProcAddr(s string) (netip.AddrPort, bool) {
	words, port, ok := strings.Cut(s, ":")
	if !ok || len(words) != 8 && len(words) != 32 || len(port) != 4 {
		return netip.AddrPort{}, false
	}
	var raw [16]byte
	b := raw[:len(words)/2]
	for i := 0; i < len(b); i += 4 {
		w, err := strconv.ParseUint(words[2*i:2*i+8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		binary.NativeEndian.PutUint32(b[i:], uint32(w))
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), true
}

// parseUnix takes lines such as
//
//	0000000000000000: 00000002 00000000 00010000 0001 01 21345 /run/web.sock
//
// The path is the rest of the line, spaces and all; sockets without one are
// passed over.
func (l *listening) parseUnix(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest := lines.Text()
		var flags string
		for col := range 7 {
			rest = strings.TrimLeft(rest, " ")
			var word string
			word, rest, _ = strings.Cut(rest, " ")
			if col == 3 {
				flags = word
			}
		}
		bits, err := strconv.ParseUint(flags, 16, 32)
		if err != nil || bits&unixAccepts == 0 || rest == "" {
			continue
		}
		l.unix[rest] = true
	}
	return lines.Err()
}

// has reports whether something listens at a. A port 0 stands for any port,
// since the kernel chose it; "[::]" is also served by 0.0.0.0 where a machine
// has no IPv6.
func (l *listening) has(a config.Address) bool {
	if a.Socket != "" {
		return true // it listens, wherever that is, for as long as systemd wants
	}
	if a.Unix != "" {
		return l.unix[a.Unix]
	}
	ip := a.TCP.Addr().Unmap().WithZone("")
	if l.hasTCP(ip, a.TCP.Port()) {
		return true
	}
	return ip == netip.IPv6Unspecified() && l.hasTCP(netip.IPv4Unspecified(), a.TCP.Port())
}

func (l *listening) hasTCP(ip netip.Addr, port uint16) bool {
	if port != 0 {
		return l.tcp[netip.AddrPortFrom(ip, port)]
	}
	for x := range l.tcp {
		if x.Addr() == ip {
			return true
		}
	}
	return false
}
