package main

import (
	"net"
	"strconv"
	"time"
)

// The services of the backend, in the order of their ports. A proxy has one
// listener for each up to checks; the verdict is asked for past the proxy.
const (
	echo    = iota // sends back what comes
	source         // sends as much as is taken
	sink           // takes as much as comes
	brief          // answers once and closes first
	checks         // content and half-close, see verify.go
	verdict        // what checks found
	services
	proxied = verdict // how many of them a proxy serves
)

var serviceNames = [services]string{"echo", "source", "sink", "brief", "checks", "verdict"}

// backendBase is the first port of the backend.
const backendBase = 9000

// Place is where to find the services.
type Place struct {
	Host string
	Base int
}

func (p Place) of(service int) string {
	return net.JoinHostPort(p.Host, strconv.Itoa(p.Base+service))
}

// Job is what the client is asked to do. The parts may be combined.
type Job struct {
	Op      string // await, verify, run, hold or release
	At      Place
	Backend Place    // for verify
	Await   []int    // the services that must be there, for await
	Sources []string // local addresses, used in turn; none: the kernel chooses

	Down, Up int     // bulk streams from the backend and to it
	PingPong int     // connections that send a request and wait for the reply
	Size     int     // of a request and of its reply
	InFlight int     // requests under way at a time, over all connections; 0: one on each
	Rate     float64 // requests a second on a schedule; 0: the next when one is answered
	Short    int     // clients that connect, ask, are answered, close
	Brief    bool    // of Short: the backend closes first

	Warm, Window time.Duration
	Watch        Watch
}

// Watch is whose CPU clocks the client reads.
type Watch struct {
	Proxy, Backend []int // process ids
}

// Result is the client's answer.
type Result struct {
	Error   string        // the job could not be done
	Opened  int           // connections that were answered once
	Unready int           // connections that were not
	Errors  int           // connections that broke, while it ran
	Seconds float64       // length of the window
	Bytes   float64       // received in the window, by whoever receives
	Replies float64       // answered requests in the window
	Conns   float64       // whole short connections in the window
	Latency [4]float64    // seconds; the quantiles of quantiles
	Samples uint64        // how many latencies
	Late    time.Duration // how far behind its schedule the client itself was, at worst
	Used    Usage
	All     Units // from the first connection to the last
}

// Units are what was done.
type Units struct{ Bytes, Replies, Conns float64 }

// quantiles of the latency that are kept.
var quantiles = [4]float64{0.5, 0.9, 0.99, 0.999}

var quantileNames = [4]string{"p50", "p90", "p99", "p999"}
