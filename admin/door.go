package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/netutil"

	"sluice/config"
	"sluice/internal/sys"
)

const (
	// mostClients is how many may be connected to a door at once; they use
	// descriptors of the reserve that connections leave. Others wait.
	mostClients = 24
	// headersWithin and idleWithin keep clients that say nothing from being
	// those.
	headersWithin = 5 * time.Second
	idleWithin    = 30 * time.Second
)

// place is where a door is wanted: a TCP address or a path.
type place struct {
	tcp  netip.AddrPort
	path string
}

func placesOf(c config.Admin) (all []place) {
	if c.Bind.TCP.IsValid() {
		all = append(all, place{tcp: c.Bind.TCP})
	}
	if c.Socket != "" {
		all = append(all, place{path: c.Socket})
	}
	return all
}

func sortedPlaces(doors map[place]*door) []place {
	return slices.SortedFunc(maps.Keys(doors), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.path, b.path), a.tcp.Compare(b.tcp))
	})
}

// door is one listening socket and the HTTP server behind it.
type door struct {
	at     place
	socket net.Listener
	inode  uint64 // of its path
	http   *http.Server
	ended  chan struct{} // serve has returned
}

func openDoor(at place) (*door, error) {
	d := &door{at: at}
	if at.path == "" {
		l, err := net.Listen("tcp", at.tcp.String())
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", at.tcp, cause(err))
		}
		d.socket = l
		return d, nil
	}
	if err := removeStale(at.path); err != nil {
		return nil, fmt.Errorf("socket %s: %w", at.path, err)
	}
	// Whoever may open the file may change the balancer, so that it must never
	// have been open to others: the mode is set before there is a file.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = sys.SetMode(int(fd), 0o600) }), err)
	}}
	l, err := private.Listen(context.Background(), "unix", at.path)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", at.path, cause(err))
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // it may be another's by then
	d.socket, d.inode = l, inodeOf(at.path)
	return d, nil
}

// removeStale removes a socket that nobody listens on any more.
func removeStale(path string) error {
	switch st, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return cause(err)
	case st.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file that is not a socket")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
		return cause(os.Remove(path))
	case errors.Is(err, syscall.EAGAIN): // its queue is full: somebody is there
		return syscall.EADDRINUSE
	}
	return cause(err)
}

// inodeOf is what is at a path, 0 for nothing.
func inodeOf(path string) uint64 {
	if st, err := os.Lstat(path); err == nil {
		return st.Sys().(*syscall.Stat_t).Ino
	}
	return 0
}

// inPlace reports whether clients find the door. A path may have been removed,
// or taken by another.
func (d *door) inPlace() bool { return d.at.path == "" || inodeOf(d.at.path) == d.inode }

// serve begins to answer.
func (d *door) serve(s *Server) {
	silent, _ := zap.NewStdLogAt(s.log, zap.DebugLevel)
	d.ended = make(chan struct{})
	d.http = &http.Server{
		Handler:           s.answerAt(d),
		ReadHeaderTimeout: headersWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    1 << 14,
		ErrorLog:          silent,
	}
	go func() {
		defer close(d.ended)
		_ = d.http.Serve(netutil.LimitListener(d.socket, mostClients))
	}()
}

// shut closes the socket and all that came in there.
func (d *door) shut() {
	if d.at.path != "" && d.inPlace() {
		_ = os.Remove(d.at.path)
	}
	if d.http == nil {
		_ = d.socket.Close()
		return
	}
	_ = d.http.Close()
	<-d.ended
}

// address is where it is, with the port the kernel chose.
func (d *door) address() string {
	if d.at.path != "" {
		return "unix:" + d.at.path
	}
	return d.socket.Addr().String()
}

// loopback reports whether only this machine reaches it.
func (d *door) loopback() bool { return d.at.path != "" || d.at.tcp.Addr().IsLoopback() }

// cause is an error without the place that is named anyway.
func cause(err error) error {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}
