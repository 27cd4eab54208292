package config

import "time"

var poolTable = &table{keys: []key{
	{name: "policy", is: oneOf([]string{"round_robin", "least_connections", "random_two", "least_latency", "source_hash", "maglev", "first"}),
		def: `"least_connections"`, doc: "round_robin | least_connections | random_two | least_latency | source_hash | maglev | first; all of them weighted"},
	{name: "hash_on", is: oneOf([]string{"source", "sni", "listener"}, "source_prefix"), def: `"source"`, doc: "source | sni | listener: the key of source_hash and maglev"},
	{name: "hash_balance", is: number(0, 100), def: `0.0`, later: true, doc: "1.25: no backend above 1.25 times the mean"},
	{name: "retries", is: integer(0, 7), def: `2`, doc: "another backend is tried when a connect fails; no byte is ever sent twice"},
	{name: "connect_timeout", is: duration(tick, time.Hour, ""), def: `"3s"`},
	{name: "max_connections", is: integer(0, manyConnections), def: `0`, doc: "0: no limit of its own"},
	{name: "queue", is: integer(0, mostQueued), def: `0`, doc: "clients that may wait when every backend, or the pool, is full; 0: they are turned away"},
	{name: "queue_timeout", is: duration(tick, year, ""), def: `"5s"`, doc: "and for how long"},
	{name: "panic_threshold", is: integer(0, 100), def: `0`, doc: "50: under 50% well ignore health rather than drown the rest"},
	{name: "send_proxy", is: oneOf([]string{"off", "v1", "v2"}), def: `"off"`, doc: "off | v1 | v2 (with the TLVs received, AUTHORITY, ALPN, UNIQUE_ID, CRC32c)"},
	{name: "source", is: sourceAddress(), def: `""`, doc: `"10.0.0.5" or "client" (transparent: the client's own): the address to connect from`},
	{name: "mirror", is: text("the name of a pool"), def: `""`, later: true, doc: `"shadow": client bytes copied to that pool, answers dropped`},
	{name: "slow_start", is: duration(100*tick, year, "none"), def: `""`, doc: `"30s": weight grows from 10% after a backend comes up`},
	{name: "on_down", is: oneOf([]string{"keep", "reset"}), def: `"keep"`, doc: "keep | reset: what becomes of a backend's connections when it goes down"},
	{name: "on_removed", is: oneOf([]string{"drain", "reset"}), def: `"drain"`, doc: "drain | reset: what becomes of them when it is taken out of the file"},
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

var outlierTable = &table{keys: []key{
	{name: "consecutive_failures", is: integer(0, 1<<20), def: `5`, doc: "connect failures, or resets before the first byte from the backend; 0: any number"},
	{name: "failure_rate", is: number(0, 1), def: `0.0`, doc: "0.5: share of failures over window that is too much; 0: any"},
	{name: "window", is: duration(10*tick, year, ""), def: `"10s"`},
	{name: "minimum", is: integer(1, 1<<20), def: `20`, doc: "connections in window before failure_rate means anything"},
	{name: "eject_for", is: duration(tick, year, ""), def: `"10s"`, doc: "times the number of ejections in a row, up to max_eject_for"},
	{name: "max_eject_for", is: duration(tick, year, ""), def: `"5m"`},
	{name: "max_ejected", is: number(0, 1), def: `0.5`, doc: "never more than this share of the pool"},
}, finish: func(r *reader, n *node, v any) {
	o := v.(*Outlier)
	if o.MaxEjectFor >= o.EjectFor {
		return
	}
	// Only a limit that somebody asked for can contradict eject_for.
	if given := n.keys["max_eject_for"]; given != nil {
		given.fault(&r.faults, "found %s, expected at least the eject_for of %q", given, Duration(o.EjectFor))
		return
	}
	o.MaxEjectFor = o.EjectFor
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
