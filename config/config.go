// Package config is what an operator writes: the types, how a file becomes
// one, and everything that can be wrong with it. Of the world it knows the
// files and folders that it is told to read and the environment that it is
// given; it changes none of them.
package config

import (
	"net/netip"
	"time"
)

// Config is one whole configuration with every default filled in. The tags
// join its fields to the keys of the grammar, see schema.go.
type Config struct {
	Runtime   Runtime    `toml:"runtime"`
	Log       Log        `toml:"log"`
	Listeners []Listener `toml:"listeners"` // by name
	Pools     []Pool     `toml:"pools"`     // by name
}

// Runtime is [runtime].
type Runtime struct {
	Workers        int           `toml:"workers"`         // 0: one for each CPU the process may use
	MaxConnections int           `toml:"max_connections"` // 0: what the file-descriptor limit allows
	PipeSize       int           `toml:"pipe_size"`       // bytes; 0: chosen by sluice
	ShutdownGrace  time.Duration `toml:"shutdown_grace"`
}

// Log is [log].
type Log struct {
	Level        string  `toml:"level"`         // debug | info | warn | error
	Format       string  `toml:"format"`        // auto | json | console
	Output       string  `toml:"output"`        // stderr | stdout | a file's path
	Access       string  `toml:"access"`        // all | errors | off
	AccessSample float64 `toml:"access_sample"` // 0 to 1
}

// Listener is one [listeners.NAME].
type Listener struct {
	Name             string
	Bind             []Address     `toml:"bind"`
	Pool             string        `toml:"pool"`
	Relay            string        `toml:"relay"`  // splice | copy
	Reject           string        `toml:"reject"` // reset | close
	MaxConnections   int           `toml:"max_connections"`
	IdleTimeout      time.Duration `toml:"idle_timeout"`       // 0: never
	HalfCloseTimeout time.Duration `toml:"half_close_timeout"` // 0: never
	Backlog          int           `toml:"backlog"`
	NoDelay          bool          `toml:"no_delay"`
	Keepalive        Keepalive     `toml:"keepalive"`
	UserTimeout      time.Duration `toml:"user_timeout"` // 0: the kernel's
}

// Pool is one [pools.NAME].
type Pool struct {
	Name           string
	Policy         string        `toml:"policy"`  // round_robin | least_connections | random_two | source_hash | maglev | first
	HashOn         string        `toml:"hash_on"` // source | listener
	Retries        int           `toml:"retries"`
	ConnectTimeout time.Duration `toml:"connect_timeout"`
	Keepalive      Keepalive     `toml:"keepalive"`
	UserTimeout    time.Duration `toml:"user_timeout"`
	Backends       []Backend     `toml:"backends"` // in the order of the file
	Health         Health        `toml:"health"`
}

// Backend is one entry of a pool's backends, short form or long.
type Backend struct {
	Name           string  `toml:"name"` // its address unless given
	Address        Address `toml:"address"`
	Weight         int     `toml:"weight"`
	MaxConnections int     `toml:"max_connections"`
	Backup         bool    `toml:"backup"`
}

// Health is one [pools.NAME.health].
type Health struct {
	Type         string        `toml:"type"` // tcp | none
	Interval     time.Duration `toml:"interval"`
	FastInterval time.Duration `toml:"fast_interval"` // while changing state; Interval unless given
	DownInterval time.Duration `toml:"down_interval"` // while down; Interval unless given
	Jitter       float64       `toml:"jitter"`        // share of the interval, 0 to 1
	Timeout      time.Duration `toml:"timeout"`
	Rise         int           `toml:"rise"`
	Fall         int           `toml:"fall"`
}

// Keepalive is TCP keepalive; the zero value turns it off.
type Keepalive struct {
	Idle     time.Duration `toml:"idle"`
	Interval time.Duration `toml:"interval"`
	Count    int           `toml:"count"`
}

// Address is a TCP address or the path of a unix socket; exactly one is set.
// A bind of ":8080" is [::]:8080, which takes IPv4 as well unless 0.0.0.0 is
// bound to that port.
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
