package cmd

import (
	"cmp"
	"syscall"

	"sluice/health"
	"sluice/proxy"
)

// judge tells health what a connection that has ended shows of its backend.
// Who never got to one shows nothing, and neither does a clean end without a
// byte from the backend: the record cannot tell whether it was the client who
// wanted no more.
func judge(p *health.Passive, r *proxy.Record) {
	switch {
	case r.Backend == "" || r.Connect < 0:
	case r.FirstByte >= 0:
		p.Answered(r.Pool, r.Backend, r.Accepted.Add(r.Connect+r.FirstByte))
	case r.Cause == proxy.BackendReset:
		p.Broke(r.Pool, r.Backend, r.Accepted.Add(r.Total), cmp.Or(r.Errno, syscall.ECONNRESET))
	case r.Cause == proxy.ClientSilent: // so it was the backend who had finished
		p.Broke(r.Pool, r.Backend, r.Accepted.Add(r.Total), nil)
	}
}
