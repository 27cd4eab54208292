// Package sys is the only place that makes system calls: one function each,
// EINTR retried, nothing decided. It is for Linux alone.
//
// The calls of the data plane never block, so they go straight to the kernel
// (RawSyscall) without telling the Go scheduler; the few that may block say so.
// Errors are bare errno values, zero for none: on the hot path they are
// outcomes, not errors.
package sys
