// Package config is what an operator writes: the types, how a file becomes
// one, and everything that can be wrong with it. It is pure: it opens the
// files it is told to and touches nothing else.
package config

import (
	"net/netip"
	"time"
)

// Config is one whole configuration with every default filled in.
type Config struct {
	Runtime   Runtime
	Log       Log
	Listeners []Listener // by name
	Pools     []Pool     // by name
}

// Runtime is [runtime].
type Runtime struct {
	Workers        int // 0: one for each CPU the process may use
	MaxConnections int // 0: what the file-descriptor limit allows
	PipeSize       int // bytes; 0: chosen by sluice
	ShutdownGrace  time.Duration
}

// Log is [log].
type Log struct {
	Level        string  // debug | info | warn | error
	Format       string  // auto | json | console
	Output       string  // stderr | stdout | a file's path
	Access       string  // all | errors | off
	AccessSample float64 // 0 to 1
}

// Listener is one [listeners.NAME].
type Listener struct {
	Name             string
	Bind             []Address
	Pool             string
	Relay            string // splice | copy
	Reject           string // reset | close
	MaxConnections   int
	IdleTimeout      time.Duration // 0: never
	HalfCloseTimeout time.Duration // 0: never
	Backlog          int
	NoDelay          bool
	Keepalive        Keepalive
	UserTimeout      time.Duration // 0: the kernel's
}

// Pool is one [pools.NAME].
type Pool struct {
	Name           string
	Policy         string // round_robin | least_connections | random_two | source_hash | maglev | first
	HashOn         string // source | listener
	Retries        int
	ConnectTimeout time.Duration
	Keepalive      Keepalive
	UserTimeout    time.Duration
	Backends       []Backend // in the order of the file
	Health         Health
}

// Backend is one entry of a pool's backends, short form or long.
type Backend struct {
	Name           string // its address unless given
	Address        Address
	Weight         int
	MaxConnections int
	Backup         bool
}

// Health is one [pools.NAME.health].
type Health struct {
	Type         string // tcp | none
	Interval     time.Duration
	FastInterval time.Duration // while changing state; Interval unless given
	DownInterval time.Duration // while down; Interval unless given
	Jitter       float64       // share of the interval, 0 to 1
	Timeout      time.Duration
	Rise         int
	Fall         int
}

// Keepalive is TCP keepalive; the zero value turns it off.
type Keepalive struct {
	Idle, Interval time.Duration
	Count          int
}

// Address is a TCP address or the path of a unix socket; exactly one is set.
type Address struct {
	TCP  netip.AddrPort
	Unix string
}

// String is the address as it is written in a file.
func (a Address) String() string {
	if a.Unix != "" {
		return "unix:" + a.Unix
	}
	return a.TCP.String()
}
