//go:build !linux

package sys

// sluice moves bytes with splice(2) and waits with epoll(7): it runs on Linux only.
var _ = sluice_runs_on_Linux_only
