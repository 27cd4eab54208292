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
	Client   netip.AddrPort // zero for a unix socket
	Accepted time.Time
	// Times since the connect began, since the backend was connected, and since
	// the client was accepted. -1: that point was not reached.
	Connect, FirstByte, Total time.Duration
	Up, Down                  uint64 // bytes delivered: client to backend, and back
	Retries                   int
	Cause                     Cause
	Errno                     syscall.Errno // of the failure, if one system call was to blame
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
)
