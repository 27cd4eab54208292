package config

import (
	"maps"
	"slices"
	"time"
)

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
	mostQueued      = 1 << 20
	mostPerSource   = 1<<18 - 2 // what a table of sources can count
	bindWants       = `"IP:port", ":port", "localhost:port", "unix:/path" or "fd:NAME"`
	addressWants    = `"IP:port", "localhost:port" or "unix:/path"`
	keepaliveText   = `{ idle = "1m", interval = "10s", count = 6 }`
)

var runtimeTable = &table{keys: []key{
	{name: "workers", is: integer(0, 1024), def: `0`, doc: "event loops; 0: one for each CPU the process may use"},
	{name: "max_connections", is: integer(0, manyConnections), def: `0`, doc: "0: what the file-descriptor limit allows, with a reserve kept"},
	{name: "pipe_size", is: size(4<<10, 1<<20), def: `"0"`, doc: `0: chosen by sluice; else 4KiB to 1MiB`},
	{name: "shutdown_delay", is: duration(tick, time.Hour, "none"), def: `"0s"`, doc: "SIGTERM: first say not ready for so long, and go on accepting"},
	{name: "shutdown_grace", is: duration(tick, year, "no grace"), def: `"30s"`, doc: "then stop accepting, let connections end, and end those that are left"},
	{name: "watch", is: boolean(), def: `false`, doc: "reload by itself when the file, an included one or their folders change"},
	{name: "survive_crash", is: boolean(), def: `true`, doc: "a keeper holds every descriptor: a killed process loses no connection"},
	{name: "state_dir", is: text("a path"), def: `""`, doc: `"/var/lib/sluice": runtime changes kept over a restart`},
}}

var logTable = &table{keys: []key{
	{name: "level", is: oneOf([]string{"debug", "info", "warn", "error"}), def: `"info"`, doc: "debug | info | warn | error"},
	{name: "format", is: oneOf([]string{"auto", "json", "console"}), def: `"auto"`, doc: "auto (console on a terminal, else json) | json | console"},
	{name: "output", is: outputPath(), def: `"stderr"`, doc: "stderr | stdout | journald | syslog | a file's path"},
	{name: "access", is: oneOf([]string{"all", "errors", "off"}), def: `"all"`, doc: "all | errors | off"},
	{name: "access_sample", is: number(0, 1), def: `1.0`, doc: "share of the clean connections logged; failures are always logged"},
	{name: "access_start", is: boolean(), def: `false`, doc: "with all: a line when a connection has its backend, too"},
	{name: "access_every", is: duration(time.Second, year, "none"), def: `""`, doc: `with all: "10m": a line about each connection that lives so long, and again as often`},
}}

var adminTable = &table{
	keys: []key{
		{name: "bind", is: address(`"IP:port", ":port", "localhost:port" or ""`, true, parseAdminBind), def: `"` + DefaultAdmin + `"`, doc: `JSON API; "" is off; without this key another program may have the port`},
		{name: "socket", is: socketPath(), def: `""`, doc: `"/run/sluice/admin.sock": the same API, mode 0600`},
		{name: "token_file", is: text("a path"), def: `""`, doc: "a bearer token; required before bind may be anything but loopback"},
		{name: "read_only", is: boolean(), def: `false`, doc: "the API answers and changes nothing"},
		{name: "pprof", is: boolean(), def: `false`, doc: "/debug/pprof: profiles of the process, for its authors"},
	},
	finish: func(r *reader, n *node, v any) {
		a := v.(*Admin)
		given := n.keys["bind"]
		a.Asked = given != nil && a.Bind != Address{}
		if a.Asked && a.TokenFile == "" && !a.Bind.TCP.Addr().IsLoopback() {
			given.fault(&r.faults, "found %s, expected a loopback address, or a token_file: who reaches this address may change the balancer", given)
		}
	},
}

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
	{name: "bind", is: list{item: address(bindWants, false, parseListenerBind), of: bindWants + ", or a list of them", alone: true, some: true},
		example: `":8080"`, doc: `":8080": every address; also "IP:port", "unix:/path", "fd:NAME" (socket activation), or a list of them`},
	{name: "pool", is: text("the name of a pool"), example: `"web"`, absent: true, doc: "where a connection goes that no route takes; without it such a one is turned away"},
	{name: "relay", is: oneOf([]string{"splice", "copy"}), def: `"splice"`, doc: "splice | copy (read and write; the fallback where splice is refused)"},
	{name: "max_connections", is: integer(0, manyConnections), def: `0`, doc: "0: no limit of its own"},
	{name: "max_connections_per_source", is: integer(0, mostPerSource), def: `0`, doc: "0: no limit; who has more is turned away"},
	{name: "connection_rate", is: rate(), def: `""`, doc: `"5000/s": who comes faster is turned away; burst is one second's worth; "": no limit`},
	{name: "connection_rate_per_source", is: rate(), def: `""`, doc: "the same for each source"},
	{name: "source_prefix", is: integer(1, 128), def: `64`, doc: "bits of an IPv6 address that make a source; IPv4 counts by address"},
	{name: "allow", is: prefixes, def: `[]`, doc: `["10.0.0.0/8", "2001:db8::/32"]: if not empty, nobody else; the longest prefix of both lists decides`},
	{name: "deny", is: prefixes, def: `[]`, doc: "of the same prefix in both lists this one counts"},
	{name: "allow_files", is: fileNames, def: `[]`, doc: `["allow.txt"]: more of the same, a network a line, # begins a comment; from the folder of this file`},
	{name: "deny_files", is: fileNames, def: `[]`},
	{name: "reject", is: oneOf([]string{"reset", "close"}), def: `"reset"`, doc: "reset | close: what a refused client sees"},
	{name: "idle_timeout", is: duration(tick, year, "never"), def: `"1h"`, doc: `no byte either way; "0s": never`},
	{name: "half_close_timeout", is: duration(tick, year, "never"), def: `"1m"`, doc: `one side has finished and the other is silent; "0s": never`},
	{name: "inspect_timeout", is: duration(tick, year, ""), def: `"5s"`, doc: "to deliver a PROXY header or a ClientHello"},
	{name: "max_lifetime", is: duration(tick, year, "no limit"), def: `""`, doc: `"24h": no connection lasts longer; "": no limit`},
	{name: "proxy_protocol", is: oneOf([]string{"off", "optional", "required"}), def: `"off"`, doc: "off | optional | required (v1 and v2, CRC32c checked)"},
	{name: "proxy_protocol_from", is: prefixes, def: `[]`, doc: `["10.0.0.0/8"]: who is believed; who comes by a unix socket is`},
	{name: "fallback_file", is: text("a path"), def: `""`, doc: "raw bytes sent when no backend can be had; from the folder of this file"},
	{name: "backlog", is: integer(1, 1<<20), def: `4096`, doc: "connections the kernel holds until they are accepted"},
	{name: "defer_accept", is: boolean(), def: `false`, doc: "TCP_DEFER_ACCEPT: a client is accepted when it has sent something; not for protocols in which the server speaks first"},
	{name: "fast_open", is: boolean(), def: `false`, doc: "TCP_FASTOPEN, if net.ipv4.tcp_fastopen lets servers have it"},
	{name: "no_delay", is: boolean(), def: `true`, doc: "TCP_NODELAY"},
	{name: "keepalive", is: keepaliveTable, doc: `idle = "0s" turns it off`},
	{name: "user_timeout", is: userTimeout, def: `""`, doc: `TCP_USER_TIMEOUT; "": the kernel's`},
	{name: "transparent", is: boolean(), def: `false`, doc: "IP_TRANSPARENT: accept for addresses that are not this machine's"},
	{name: "freebind", is: boolean(), def: `false`, doc: "IP_FREEBIND: bind to an address that may come later"},
	{name: "mark", is: integer(0, 1<<32-1), def: `0`, doc: "SO_MARK"},
	{name: "interface", is: interfaceName(), def: `""`, doc: `SO_BINDTODEVICE; "eth0": clients come by it alone`},
	{name: "multipath", is: boolean(), def: `false`, doc: "MPTCP for the clients that speak it; where the kernel has none, TCP alone"},
	{name: "routes", is: list{item: routeTable, of: "tables [[listeners.NAME.routes]]"}, doc: "example; the first that fits is taken; read from the peeked ClientHello, never consumed"},
}, finish: func(r *reader, n *node, v any) {
	l := v.(*Listener)
	if l.ProxyProtocol != "off" && len(l.ProxyProtocolFrom) == 0 && slices.ContainsFunc(l.Bind, func(a Address) bool { return a.Unix == "" }) {
		n.keys["proxy_protocol"].fault(&r.faults, "found %s, and nobody is believed; expected a proxy_protocol_from", n.keys["proxy_protocol"])
	}
	if key := n.keys["user_timeout"]; l.Multipath && l.UserTimeout != 0 {
		key.fault(&r.faults, "found %s, and the kernel has no such timeout for MPTCP, which multipath asks for; expected keepalive, or idle_timeout, to find out who is gone", key)
	}
	if slices.ContainsFunc(l.Bind, func(a Address) bool { return a.Socket != "" }) {
		set := map[string]bool{"transparent": l.Transparent, "freebind": l.FreeBind, "mark": l.Mark != 0, "interface": l.Interface != "", "multipath": l.Multipath}
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if key := n.keys[name]; set[name] {
				key.fault(&r.faults, "found %s, and a socket that systemd passes is bound already; set it in the socket's unit", key)
			}
		}
	}
}}

var (
	fileNames   = list{item: text("a file name"), of: `a list of file names such as ["deny.txt"]`}
	prefixes    = list{item: prefix(), of: `a list of networks such as ["10.0.0.0/8"]`}
	words       = list{item: text("a string"), of: "a list of strings"}
	userTimeout = duration(tick, 24*time.Hour, "the kernel's own") // the kernel counts milliseconds in an int
)

var routeTable = &table{keys: []key{
	{name: "sni", is: list{item: serverName(), of: `a list of server names such as ["api.example.com"]`}, def: `[]`, doc: `["api.example.com", "*.svc.example.com"]: * is one label or more; "*": any name`},
	{name: "alpn", is: list{item: protocol(), of: `a list of protocols such as ["h2"]`}, def: `[]`, doc: `["h2"]: what the client offers`},
	{name: "source", is: prefixes, def: `[]`, doc: `["192.0.2.0/24"]`},
	{name: "pool", is: text("the name of a pool"), example: `"api"`},
}, finish: func(r *reader, n *node, v any) {
	if t := v.(*Route); len(t.SNI)+len(t.ALPN)+len(t.Source) == 0 {
		n.fault(&r.faults, "found a route without a condition, expected sni, alpn or source; where all others go is the pool of the listener")
	}
}}
