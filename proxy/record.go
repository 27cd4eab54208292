package proxy

import (
	"net/netip"
	"syscall"
	"time"
)

// Record is what is known of a connection when it has ended.
type Record struct {
	Listener string
	Pool     string
	Backend  string         // "" if none was picked
	Client   netip.AddrPort // whose connection it is, as a PROXY header may say; zero for a unix socket
	Peer     netip.AddrPort // the other side of the client's socket, if that is another; zero for a unix socket
	SNI      string         // the server name in the ClientHello; "" if none was looked for, or there was none
	Routed   bool           // a route took it
	Route    int            // its number, from 0
	Accepted time.Time
	// Times since the connect began, since the backend was connected, and since
	// the client was accepted. -1: that point was not reached.
	Connect, FirstByte, Total time.Duration
	Queued                    time.Duration // how long it waited for a backend; 0: it did not have to
	Up, Down                  uint64        // bytes delivered: client to backend, and back
	Retries                   int
	Copied                    bool          // relayed by read and write
	RTT                       time.Duration // the backend's socket's, smoothed; 0: it was not asked
	Retransmits               int           // of that socket, if it was asked
	Cause                     Cause
	Errno                     syscall.Errno // of the failure, if one system call was to blame
	FellBack                  bool          // Down is what it got of the fallback file
	// A client that was turned away at the door never was a connection. While many
	// are, one record stands for More others as well, and is about the last.
	Refused bool
	More    uint64
}

// Notice is something an operator should know that is not about one
// connection.
type Notice struct {
	Kind     NoticeKind
	Listener string        // "" if it is about the whole process
	Errno    syscall.Errno // if a system call was to blame
	Count    uint64        // of NoticeDropped: records lost since the last one
}

// NoticeKind says what happened.
type NoticeKind uint8

// The kinds of Notice.
const (
	NoticePaused       NoticeKind = iota // a listener stopped accepting: no descriptor is free (Errno) or a limit is reached (Errno 0)
	NoticeResumed                        // it accepts again
	NoticeAcceptFailed                   // accept failed in another way
	NoticeDropped                        // records were lost since the ring was full
	NoticePipeLimit                      // a worker had to copy for the first time: no pipe was to be had
	NoticeNoMPTCP                        // a listener is to take MPTCP, and the kernel refuses it (Errno): it takes TCP alone
	notices
)

var noticeNames = [notices]string{"paused", "resumed", "accept_failed", "dropped", "pipe_limit", "no_mptcp"}
