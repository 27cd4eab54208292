package config

import "time"

var poolTable = &table{keys: []key{
	{name: "policy", is: oneOf([]string{"round_robin", "least_connections", "random_two", "source_hash", "maglev", "first"}, "least_latency"),
		def: `"least_connections"`, doc: "round_robin | least_connections | random_two | source_hash | maglev | first; all of them weighted"},
	{name: "hash_on", is: oneOf([]string{"source", "listener"}, "source_prefix", "sni"), def: `"source"`, doc: "source | listener: the key of source_hash and maglev"},
	{name: "hash_balance", is: number(0, 100), def: `0.0`, later: true, doc: "1.25: no backend above 1.25 times the mean"},
	{name: "retries", is: integer(0, 7), def: `2`, doc: "another backend is tried when a connect fails; no byte is ever sent twice"},
	{name: "connect_timeout", is: duration(tick, time.Hour, ""), def: `"3s"`},
	{name: "max_connections", is: integer(0, manyConnections), def: `0`, later: true},
	{name: "queue", is: integer(0, manyConnections), def: `0`, later: true, doc: "connections that may wait when every backend is full"},
	{name: "queue_timeout", is: duration(tick, year, ""), def: `"5s"`, later: true},
	{name: "panic_threshold", is: integer(0, 100), def: `0`, later: true, doc: "50: under 50% healthy ignore health rather than drown the rest"},
	{name: "send_proxy", is: oneOf([]string{"off", "v1", "v2"}), def: `"off"`, later: true, doc: "off | v1 | v2"},
	{name: "source", is: text(`an IP address or "client"`), def: `""`, later: true, doc: `"10.0.0.5" or "client": the address to connect from`},
	{name: "mirror", is: text("the name of a pool"), def: `""`, later: true, doc: `"shadow": client bytes copied to that pool, answers dropped`},
	{name: "slow_start", is: duration(tick, year, "none"), def: `""`, later: true, doc: `"30s": weight grows from 10% after a backend comes up`},
	{name: "on_down", is: oneOf([]string{"keep", "reset"}), def: `"keep"`, later: true, doc: "keep | reset: what becomes of a backend's connections when it goes down"},
	{name: "on_removed", is: oneOf([]string{"drain", "reset"}), def: `"drain"`, later: true, doc: "drain | reset"},
	{name: "keepalive", is: keepaliveTable, doc: `idle = "0s" turns it off`},
	{name: "user_timeout", is: userTimeout, def: `""`, doc: `TCP_USER_TIMEOUT; "": the kernel's`},
	// Not required of the schema: a pool may live by discovery alone. See check.
	{name: "backends", is: list{item: entry{backendTable, "address"}, of: `a list of backends such as ["127.0.0.1:9001"]`},
		doc: "short form or long"},
	{name: "health", is: healthTable, doc: `without this table a pool is checked by "tcp" every 2s`},
	{name: "outlier", is: outlierTable, doc: "passive: what real connections show"},
	{name: "discovery", is: discoveryTable, later: true, doc: "backends that come and go; may stand beside fixed ones"},
}}

var backendTable = &table{
	inline: true,
	keys: []key{
		{name: "address", is: address(addressWants, false, ParseAddress), example: `"127.0.0.1:9001"`},
		{name: "name", is: backendName(), def: `""`},
		{name: "weight", is: integer(1, 65535), def: `1`},
		{name: "max_connections", is: integer(0, manyConnections), def: `0`},
		{name: "backup", is: boolean(), def: `false`},
	},
	finish: func(_ *reader, n *node, v any) {
		if b := v.(*Backend); b.Name == "" {
			b.Name, _ = n.keys["address"].value.(string)
		}
	},
}

var healthTable = &table{
	keys: []key{
		{name: "type", is: oneOf([]string{"tcp", "none"}, "tls", "http", "grpc", "send_expect", "redis", "postgres", "exec"), def: `"tcp"`, doc: "tcp | none"},
		{name: "interval", is: duration(tick, year, ""), def: `"2s"`},
		{name: "fast_interval", is: duration(tick, year, "interval"), def: `""`, doc: `while changing state; "": interval`},
		{name: "down_interval", is: duration(tick, year, "interval"), def: `""`, doc: `while down; "": interval`},
		{name: "jitter", is: number(0, 1), def: `0.1`, doc: "share of the interval"},
		{name: "timeout", is: duration(tick, year, ""), def: `"1s"`, doc: "at most interval"},
		{name: "rise", is: integer(1, 1000), def: `2`, doc: "good probes in a row that make a backend up"},
		{name: "fall", is: integer(1, 1000), def: `3`, doc: "bad probes or connects in a row that make it down"},
		{name: "address", is: address(`":port", "IP:port" or ""`, true, ParseBind), def: `""`, later: true, doc: `":8081": check another address or port`},
		{name: "send_proxy", is: boolean(), def: `false`, later: true},
		{name: "method", is: text("an HTTP method"), def: `"GET"`, later: true, doc: "http"},
		{name: "path", is: text("a path"), def: `"/"`, later: true, doc: "http"},
		{name: "host", is: text("a host name"), def: `""`, later: true, doc: "http"},
		{name: "status", is: text("status codes"), def: `"200-399"`, later: true, doc: "http"},
		{name: "body", is: text("a regular expression"), def: `""`, later: true, doc: "http: a regular expression"},
		{name: "sni", is: text("a host name"), def: `""`, later: true, doc: "tls"},
		{name: "verify", is: boolean(), def: `false`, later: true, doc: "tls"},
		{name: "expires_within", is: duration(tick, 10*year, "never"), def: `""`, later: true, doc: "tls"},
		{name: "service", is: text("a service"), def: `""`, later: true, doc: "grpc"},
		{name: "tls", is: boolean(), def: `false`, later: true, doc: "grpc"},
		{name: "send", is: text("what to send"), def: `""`, later: true, doc: "send_expect"},
		{name: "expect", is: text("what to expect"), def: `""`, later: true, doc: "send_expect"},
		{name: "command", is: words, def: `[]`, later: true, doc: `exec: ["/usr/bin/check"], exit 0 is up`},
		{name: "agent", is: address(`":port", "IP:port" or ""`, true, ParseBind), def: `""`, later: true, doc: `":9999": the backend steers its own weight`},
	},
	finish: func(r *reader, n *node, v any) {
		h := v.(*Health)
		if h.FastInterval == 0 {
			h.FastInterval = h.Interval
		}
		if h.DownInterval == 0 {
			h.DownInterval = h.Interval
		}
		if h.Timeout <= h.Interval {
			return
		}
		// Only a timeout that somebody asked for can contradict the interval.
		if given := n.keys["timeout"]; given != nil {
			given.fault(&r.faults, "found %s, expected at most the interval of %q: a probe ends before the next one begins", given, Duration(h.Interval))
			return
		}
		h.Timeout = h.Interval
	},
}

var outlierTable = &table{keys: []key{
	{name: "consecutive_failures", is: integer(0, 1<<20), def: `0`, later: true, doc: "5: connect failures, or resets before the first byte from the backend"},
	{name: "failure_rate", is: number(0, 1), def: `0.0`, later: true, doc: "0.5: over window, with at least minimum connections"},
	{name: "window", is: duration(tick, year, ""), def: `"10s"`, later: true},
	{name: "minimum", is: integer(1, 1<<20), def: `20`, later: true},
	{name: "eject_for", is: duration(tick, year, ""), def: `"10s"`, later: true, doc: "times the number of ejections in a row, up to max_eject_for"},
	{name: "max_eject_for", is: duration(tick, year, ""), def: `"5m"`, later: true},
	{name: "max_ejected", is: number(0, 1), def: `0.5`, later: true, doc: "never more than this share of the pool"},
}}

var discoveryTable = &table{keys: []key{
	{name: "type", is: oneOf([]string{"dns", "srv", "consul", "etcd", "docker", "file"}), example: `"dns"`, doc: "dns (A/AAAA) | srv | consul | etcd | docker | file"},
	{name: "name", is: text("a DNS name"), def: `""`, doc: `dns, srv: "api.internal:8443"`},
	{name: "servers", is: words, def: `[]`, doc: `["127.0.0.1:8600"]; empty: /etc/resolv.conf`},
	{name: "refresh", is: duration(tick, year, ""), def: `"10s"`, doc: "at most; a record's TTL is obeyed"},
	{name: "on_empty", is: oneOf([]string{"keep", "clear"}), def: `"keep"`, doc: "keep | clear: an empty or failed answer"},
	{name: "address", is: text("an address"), def: `""`, doc: "consul"},
	{name: "service", is: text("a service"), def: `""`, doc: "consul"},
	{name: "tag", is: text("a tag"), def: `""`, doc: "consul"},
	{name: "datacenter", is: text("a datacenter"), def: `""`, doc: "consul"},
	{name: "token_file", is: text("a path"), def: `""`, doc: "consul"},
	{name: "passing_only", is: boolean(), def: `true`, doc: "consul"},
	{name: "endpoints", is: words, def: `[]`, doc: "etcd"},
	{name: "prefix", is: text("a prefix"), def: `""`, doc: "etcd"},
	{name: "socket", is: text("a path"), def: `""`, doc: "docker"},
	{name: "label", is: text("a label"), def: `""`, doc: "docker"},
	{name: "path", is: text("a path"), def: `""`, doc: "file"},
}}
