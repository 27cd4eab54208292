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
	Admin     Admin      `toml:"admin"`
	Listeners []Listener `toml:"listeners"` // by name
	Pools     []Pool     `toml:"pools"`     // by name

	// Sources are the files that were read and the folders that were listed:
	// what has to change before a load can come to something else.
	Sources []string
}

// Runtime is [runtime].
type Runtime struct {
	Workers        int           `toml:"workers"`         // 0: one for each CPU the process may use
	MaxConnections int           `toml:"max_connections"` // 0: what the file-descriptor limit allows
	PipeSize       int           `toml:"pipe_size"`       // bytes; 0: chosen by sluice
	ShutdownDelay  time.Duration `toml:"shutdown_delay"`  // not ready, but accepting
	ShutdownGrace  time.Duration `toml:"shutdown_grace"`
	Watch          bool          `toml:"watch"` // reload when a file changes
	SurviveCrash   bool          `toml:"survive_crash"`
	StateDir       string        `toml:"state_dir"` // a folder; "": runtime changes end with the process
}

// Log is [log].
type Log struct {
	Level        string  `toml:"level"`         // debug | info | warn | error
	Format       string  `toml:"format"`        // auto | json | console
	Output       string  `toml:"output"`        // stderr | stdout | journald | syslog | syslog:ADDRESS | a file's path
	Access       string  `toml:"access"`        // all | errors | off
	AccessSample float64 `toml:"access_sample"` // 0 to 1

	AccessStart bool          `toml:"access_start"` // a line when a connection begins, too
	AccessEvery time.Duration `toml:"access_every"` // a line about one that lives, as often; 0: none
}

// Admin is [admin].
type Admin struct {
	Bind      Address `toml:"bind"`       // zero: none
	Socket    string  `toml:"socket"`     // a path; "": none
	TokenFile string  `toml:"token_file"` // a path; "": no token
	ReadOnly  bool    `toml:"read_only"`
	Pprof     bool    `toml:"pprof"` // /debug/pprof

	// Asked says that the file names bind: then the process must have it.
	Asked bool
}

// Listener is one [listeners.NAME].
type Listener struct {
	Name             string
	Bind             []Address     `toml:"bind"`
	Pool             string        `toml:"pool"`   // "": none, and then there are routes
	Relay            string        `toml:"relay"`  // splice | copy
	Reject           string        `toml:"reject"` // reset | close
	MaxConnections   int           `toml:"max_connections"`
	IdleTimeout      time.Duration `toml:"idle_timeout"`       // 0: never
	HalfCloseTimeout time.Duration `toml:"half_close_timeout"` // 0: never
	InspectTimeout   time.Duration `toml:"inspect_timeout"`
	ProxyProtocol    string        `toml:"proxy_protocol"` // off | optional | required
	MaxLifetime      time.Duration `toml:"max_lifetime"`   // 0: no limit
	DeferAccept      bool          `toml:"defer_accept"`
	FastOpen         bool          `toml:"fast_open"`
	Backlog          int           `toml:"backlog"`
	Transparent      bool          `toml:"transparent"`
	FreeBind         bool          `toml:"freebind"`
	Multipath        bool          `toml:"multipath"`
	Mark             uint32        `toml:"mark"`
	Interface        string        `toml:"interface"` // "": any
	NoDelay          bool          `toml:"no_delay"`
	Keepalive        Keepalive     `toml:"keepalive"`
	UserTimeout      time.Duration `toml:"user_timeout"` // 0: the kernel's

	ProxyProtocolFrom []netip.Prefix `toml:"proxy_protocol_from"`
	Routes            []Route        `toml:"routes"` // in the order of the file

	MaxPerSource   int  `toml:"max_connections_per_source"`
	ConnectionRate Rate `toml:"connection_rate"`            // zero: no limit
	RatePerSource  Rate `toml:"connection_rate_per_source"` // zero: no limit
	SourcePrefix   int  `toml:"source_prefix"`              // bits

	Allow      []netip.Prefix `toml:"allow"`
	Deny       []netip.Prefix `toml:"deny"`
	AllowFiles []string       `toml:"allow_files"`
	DenyFiles  []string       `toml:"deny_files"`

	FallbackFile string `toml:"fallback_file"` // a path as written; "": none
	// Fallback is where that is, and FallbackStamp tells its content from another.
	Fallback, FallbackStamp string

	// AllowListed and DenyListed are what the files had in them.
	AllowListed, DenyListed []netip.Prefix
}

// Route is one [[listeners.NAME.routes]].
type Route struct {
	SNI    []string       `toml:"sni"` // in lower case, perhaps with "*." in front, or "*"
	ALPN   []string       `toml:"alpn"`
	Source []netip.Prefix `toml:"source"`
	Pool   string         `toml:"pool"`
}

// Pool is one [pools.NAME].
type Pool struct {
	Name           string
	Policy         string        `toml:"policy"`  // round_robin | least_connections | random_two | least_latency | source_hash | maglev | first
	HashOn         string        `toml:"hash_on"` // source | sni | listener
	Retries        int           `toml:"retries"`
	SendProxy      string        `toml:"send_proxy"` // off | v1 | v2
	Source         string        `toml:"source"`     // an IP address, "client" or ""
	ConnectTimeout time.Duration `toml:"connect_timeout"`
	MaxConnections int           `toml:"max_connections"` // 0: no limit of its own
	Queue          int           `toml:"queue"`           // clients that may wait; 0: none
	QueueTimeout   time.Duration `toml:"queue_timeout"`
	PanicThreshold int           `toml:"panic_threshold"` // percent; 0: never
	SlowStart      time.Duration `toml:"slow_start"`      // 0: none
	OnDown         string        `toml:"on_down"`         // keep | reset
	OnRemoved      string        `toml:"on_removed"`      // drain | reset
	Keepalive      Keepalive     `toml:"keepalive"`
	UserTimeout    time.Duration `toml:"user_timeout"`
	Backends       []Backend     `toml:"backends"` // in the order of the file
	Health         Health        `toml:"health"`
	Outlier        Outlier       `toml:"outlier"`
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
	Type         string        `toml:"type"` // see healthTypes
	Interval     time.Duration `toml:"interval"`
	FastInterval time.Duration `toml:"fast_interval"` // while changing state; Interval unless given
	DownInterval time.Duration `toml:"down_interval"` // while down; Interval unless given
	Jitter       float64       `toml:"jitter"`        // share of the interval, 0 to 1
	Timeout      time.Duration `toml:"timeout"`
	Rise         int           `toml:"rise"`
	Fall         int           `toml:"fall"`

	Agent     Address `toml:"agent"`   // see AgentOf; zero: none
	Address   Address `toml:"address"` // see Asked; zero: the backend's
	SendProxy bool    `toml:"send_proxy"`

	// http, https; Host also grpc
	Method string   `toml:"method"`
	Path   string   `toml:"path"`
	Host   string   `toml:"host"` // "": the backend's address
	Status Statuses `toml:"status"`
	Body   string   `toml:"body"` // a regular expression; "": any

	// whatever talks over TLS
	TLS           bool          `toml:"tls"` // for types that need not
	SNI           string        `toml:"sni"`
	Verify        bool          `toml:"verify"`
	CAFile        string        `toml:"ca_file"`        // "": the system's
	ExpiresWithin time.Duration `toml:"expires_within"` // 0: no warning

	// send_expect: Steps are what is done; the keys above them are one, if it
	// is written without a list
	Send        string `toml:"send" secret:"true"`
	SendHex     string `toml:"send_hex" secret:"true"`
	Expect      string `toml:"expect" secret:"true"`
	ExpectHex   string `toml:"expect_hex" secret:"true"`
	ExpectMatch string `toml:"expect_match"`
	Steps       []Step `toml:"steps"`

	// grpc
	Service string `toml:"service"` // "": the server as a whole

	// exec
	Command []string `toml:"command"` // a path and arguments

	// postgres
	User     string `toml:"user"`
	Database string `toml:"database"` // "": called like the user

	// Question tells what is asked from what another check of the same type
	// asks: all the keys from here up to Fall that this type knows. It is
	// compared, never read.
	Question string
}

// Asked is the address to ask about a backend: its own, with another port, or
// another one.
func (h *Health) Asked(backend Address) Address {
	if h.Address == (Address{}) {
		return backend
	}
	return h.Address.of(backend)
}

// AgentOf is the address of a backend's agent; zero if it has none.
func (h *Health) AgentOf(backend Address) Address { return h.Agent.of(backend) }

// of is the address, or if it is a port of every address, that port of the
// backend's.
func (a Address) of(backend Address) Address {
	if a.Unix == "" && a.TCP.IsValid() && a.TCP.Addr().IsUnspecified() {
		return Address{TCP: netip.AddrPortFrom(backend.TCP.Addr(), a.TCP.Port())}
	}
	return a
}

// Step is one of a script: what is sent, and what must come back before the
// next. At most one form of each is set; the hexadecimal ones are digits alone.
type Step struct {
	Send        string `toml:"send" secret:"true"`
	SendHex     string `toml:"send_hex" secret:"true"`
	Expect      string `toml:"expect" secret:"true"`
	ExpectHex   string `toml:"expect_hex" secret:"true"`
	ExpectMatch string `toml:"expect_match"` // a regular expression
}

// Outlier is one [pools.NAME.outlier]: which failures of clients' connections
// take a backend out of the pool for a while.
type Outlier struct {
	ConsecutiveFailures int           `toml:"consecutive_failures"` // 0: any number
	FailureRate         float64       `toml:"failure_rate"`         // 0 to 1; 0: any
	Window              time.Duration `toml:"window"`
	Minimum             int           `toml:"minimum"` // connections in Window
	EjectFor            time.Duration `toml:"eject_for"`
	MaxEjectFor         time.Duration `toml:"max_eject_for"` // at least EjectFor
	MaxEjected          float64       `toml:"max_ejected"`   // share of the pool, 0 to 1
}

// Keepalive is TCP keepalive; the zero value turns it off.
type Keepalive struct {
	Idle     time.Duration `toml:"idle"`
	Interval time.Duration `toml:"interval"`
	Count    int           `toml:"count"`
}

// Address is a TCP address, the path of a unix socket, or, as a bind, the name of
// a socket that systemd passes; exactly one is set. Where that socket is, and its
// descriptor, is known once it was looked for (Passed). A bind of ":8080" is [::]:8080, which takes IPv4 as well unless 0.0.0.0 is
// bound to that port.
type Address struct {
	TCP  netip.AddrPort
	Unix string

	Socket string // its name
	FD     int    // of a socket that was passed; else 0
}

// String is the address as it is written in a file.
func (a Address) String() string {
	if a.Socket != "" {
		return passedPrefix + a.Socket
	}
	if a.Unix != "" {
		return "unix:" + a.Unix
	}
	return a.TCP.String()
}
