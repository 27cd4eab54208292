package config

import "time"

// grammar is every key there is: reading, defaults, refusals, hints and the
// text of Defaults all come from it. A key that lands loses its later mark and
// gets a field with its tag; TestEveryLandedKeyHasAField holds the two together.
var grammar = (&table{keys: []key{
	{name: "include", is: list{item: text("a file name"), of: `a list of file names such as ["conf.d/*.toml"]`}, def: `[]`,
		doc: `["conf.d/*.toml"]: merged in name order; a name defined twice is an error`},
	{name: "runtime", is: runtimeTable},
	{name: "log", is: logTable},
	{name: "admin", is: adminTable},
	{name: "listeners", is: named{listenerTable, "listener"}, doc: "where clients come in"},
	{name: "pools", is: named{poolTable, "pool"}, doc: "where connections go"},
}}).ready()

const (
	manyConnections = 1 << 30
	bindWants       = `"IP:port", ":port", "localhost:port" or "unix:/path"`
	addressWants    = `"IP:port", "localhost:port" or "unix:/path"`
	keepaliveText   = `{ idle = "1m", interval = "10s", count = 6 }`
)

var runtimeTable = &table{keys: []key{
	{name: "workers", is: integer(0, 1024), def: `0`, doc: "event loops; 0: one for each CPU the process may use"},
	{name: "max_connections", is: integer(0, manyConnections), def: `0`, doc: "0: what the file-descriptor limit allows, with a reserve kept"},
	{name: "pipe_size", is: size(4<<10, 1<<20), def: `"0"`, doc: `0: chosen by sluice; else 4KiB to 1MiB`},
	{name: "shutdown_grace", is: duration(tick, year, "no grace"), def: `"30s"`, doc: "SIGTERM: stop accepting, let connections end, then reset what is left"},
	{name: "survive_crash", is: boolean(), def: `false`, later: true, doc: "a keeper holds every descriptor: a killed process loses no connection"},
	{name: "state_dir", is: text("a path"), def: `""`, later: true, doc: `"/var/lib/sluice": runtime changes kept over a restart`},
}}

var logTable = &table{keys: []key{
	{name: "level", is: oneOf([]string{"debug", "info", "warn", "error"}), def: `"info"`, doc: "debug | info | warn | error"},
	{name: "format", is: oneOf([]string{"auto", "json", "console"}), def: `"auto"`, doc: "auto (console on a terminal, else json) | json | console"},
	{name: "output", is: outputPath(), def: `"stderr"`, doc: "stderr | stdout | a file's path"},
	{name: "access", is: oneOf([]string{"all", "errors", "off"}), def: `"all"`, doc: "all | errors | off"},
	{name: "access_sample", is: number(0, 1), def: `1.0`, doc: "share of the clean connections logged; failures are always logged"},
}}

var adminTable = &table{keys: []key{
	{name: "bind", is: address(`"IP:port", ":port", "localhost:port" or ""`, true, ParseBind), def: `""`, later: true, doc: `"127.0.0.1:9901": dashboard, JSON API and metrics; "" is off`},
	{name: "socket", is: text("a path"), def: `""`, later: true, doc: `"/run/sluice/admin.sock": the same API, mode 0660`},
	{name: "token_file", is: text("a path"), def: `""`, later: true, doc: "a bearer token; required before bind may be anything but loopback"},
	{name: "read_only", is: boolean(), def: `false`, later: true, doc: "the API answers and changes nothing"},
}}

var keepaliveTable = &table{
	inline: true,
	keys: []key{
		// The limits are the kernel's: tcp(7), TCP_KEEPIDLE and its neighbours.
		{name: "idle", is: duration(time.Second, 32767*time.Second, "no keepalive"), def: `"1m"`},
		{name: "interval", is: duration(time.Second, 32767*time.Second, ""), def: `"10s"`},
		{name: "count", is: integer(1, 127), def: `6`},
	},
	finish: func(_ *reader, _ *node, v any) {
		if k := v.(*Keepalive); k.Idle == 0 {
			*k = Keepalive{}
		}
	},
}

var listenerTable = &table{keys: []key{
	{name: "bind", is: list{item: address(bindWants, false, ParseBind), of: bindWants + ", or a list of them", alone: true, some: true},
		example: `":8080"`, doc: `":8080": every address; also "IP:port", "unix:/path", or a list of them`},
	{name: "pool", is: text("the name of a pool"), example: `"web"`, doc: "where a connection goes"},
	{name: "relay", is: oneOf([]string{"splice", "copy"}), def: `"splice"`, doc: "splice | copy (read and write; the fallback where splice is refused)"},
	{name: "max_connections", is: integer(0, manyConnections), def: `0`, doc: "0: no limit of its own"},
	{name: "max_connections_per_source", is: integer(0, manyConnections), def: `0`, later: true},
	{name: "connection_rate", is: rate(), def: `""`, later: true, doc: `"5000/s": burst is one second's worth`},
	{name: "connection_rate_per_source", is: rate(), def: `""`, later: true},
	{name: "allow", is: prefixes, def: `[]`, later: true, doc: `["10.0.0.0/8", "2001:db8::/32"]: the longest prefix decides`},
	{name: "deny", is: prefixes, def: `[]`, later: true},
	{name: "reject", is: oneOf([]string{"reset", "close"}), def: `"reset"`, doc: "reset | close: what a refused client sees"},
	{name: "idle_timeout", is: duration(tick, year, "never"), def: `"1h"`, doc: `no byte either way; "0s": never`},
	{name: "half_close_timeout", is: duration(tick, year, "never"), def: `"1m"`, doc: `one side has finished and the other is silent; "0s": never`},
	{name: "inspect_timeout", is: duration(tick, year, ""), def: `"5s"`, later: true, doc: "to deliver a PROXY header or a ClientHello"},
	{name: "max_lifetime", is: duration(tick, year, "no limit"), def: `""`, later: true, doc: `"24h"`},
	{name: "proxy_protocol", is: oneOf([]string{"off", "optional", "required"}), def: `"off"`, later: true, doc: "off | optional | required (v1 and v2)"},
	{name: "proxy_protocol_from", is: prefixes, def: `[]`, later: true, doc: "who is believed"},
	{name: "fallback_file", is: text("a path"), def: `""`, later: true, doc: "raw bytes sent when no backend can be had"},
	{name: "backlog", is: integer(1, 1<<20), def: `4096`, doc: "connections the kernel holds until they are accepted"},
	{name: "defer_accept", is: boolean(), def: `false`, later: true},
	{name: "fast_open", is: boolean(), def: `false`, later: true},
	{name: "no_delay", is: boolean(), def: `true`, doc: "TCP_NODELAY"},
	{name: "keepalive", is: keepaliveTable, doc: `idle = "0s" turns it off`},
	{name: "user_timeout", is: userTimeout, def: `""`, doc: `TCP_USER_TIMEOUT; "": the kernel's`},
	{name: "transparent", is: boolean(), def: `false`, later: true, doc: "accept for addresses that are not local"},
	{name: "mark", is: integer(0, 1<<32-1), def: `0`, later: true, doc: "SO_MARK"},
	{name: "interface", is: text("the name of an interface"), def: `""`, later: true, doc: "SO_BINDTODEVICE"},
	{name: "multipath", is: boolean(), def: `false`, later: true, doc: "MPTCP, falling back to TCP"},
	{name: "routes", is: list{item: routeTable, of: "tables [[listeners.NAME.routes]]"}, later: true, doc: "first match wins; read from the peeked ClientHello, never consumed"},
}}

var (
	prefixes    = list{item: prefix(), of: `a list of networks such as ["10.0.0.0/8"]`}
	words       = list{item: text("a string"), of: "a list of strings"}
	userTimeout = duration(tick, 24*time.Hour, "the kernel's own") // the kernel counts milliseconds in an int
)

var routeTable = &table{keys: []key{
	{name: "sni", is: words, def: `[]`, doc: `["api.example.com", "*.svc.example.com"]`},
	{name: "alpn", is: words, def: `[]`, doc: `["h2"]`},
	{name: "source", is: prefixes, def: `[]`, doc: `["192.0.2.0/24"]`},
	{name: "pool", is: text("the name of a pool"), example: `"api"`},
}}
