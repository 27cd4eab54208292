package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

var healthTypes = []string{"tcp", "tls", "http", "https", "grpc", "send_expect", "redis", "postgres", "exec", "none"}

// Types of health checks by what they have in common; exec and none are the
// last of all.
var (
	httpTypes   = []string{"http", "https"}
	hostTypes   = append([]string{"grpc"}, httpTypes...)
	overTLS     = []string{"grpc", "send_expect", "redis", "postgres"} // if it is asked for
	tlsTypes    = append([]string{"tls", "https"}, overTLS...)
	askTypes    = healthTypes[:len(healthTypes)-1] // all but none
	talkTypes   = healthTypes[:len(healthTypes)-2] // and exec
	scriptTypes = []string{"send_expect"}
)

// healthKeys are the keys of a pool's health check. Those that mean something
// to some types only say so; for another they stand at their default.
var healthKeys = []key{
	{name: "type", is: oneOf(healthTypes), def: `"tcp"`, doc: strings.Join(healthTypes, " | ")},
	{name: "interval", is: duration(tick, year, ""), def: `"2s"`},
	{name: "fast_interval", is: duration(tick, year, "interval"), def: `""`, doc: `while changing state; "": interval`},
	{name: "down_interval", is: duration(tick, year, "interval"), def: `""`, doc: `while down; "": interval`},
	{name: "jitter", is: number(0, 1), def: `0.1`, doc: "share of the interval"},
	{name: "timeout", is: duration(tick, year, ""), def: `"1s"`, doc: "at most interval"},
	{name: "rise", is: integer(1, 1000), def: `2`, doc: "good probes in a row that make a backend up"},
	{name: "fall", is: integer(1, 1000), def: `3`, doc: "bad probes or connects in a row that make it down"},
	{name: "address", is: address(`":port", "IP:port", "unix:/path" or ""`, true, parseElsewhere), def: `""`, of: askTypes, doc: `":8081": ask another address or port`},
	{name: "send_proxy", is: boolean(), def: `false`, of: talkTypes, doc: "a PROXY header first (v2, LOCAL), for backends that demand one"},
	{name: "method", is: method(), def: `"GET"`, of: httpTypes},
	{name: "path", is: visible(`a path such as "/healthz"`, "/", false), def: `"/"`, of: httpTypes, doc: "a query may follow"},
	{name: "host", is: visible("a host name", "", true), def: `""`, of: hostTypes, doc: `"": the backend's address`},
	{name: "status", is: statuses(), def: `"200-399"`, of: httpTypes, doc: "a redirect is not followed"},
	{name: "body", is: pattern(), def: `""`, of: httpTypes, doc: "a regular expression for its first 64 KiB"},
	{name: "sni", is: visible("a host name", "", true), def: `""`, of: tlsTypes, doc: "the name asked for, and verified"},
	{name: "verify", is: boolean(), def: `false`, of: tlsTypes, doc: "the certificate must be valid, for sni or else the address"},
	{name: "ca_file", is: filePath(), def: `""`, of: tlsTypes, doc: `"/etc/sluice/ca.pem": who is trusted instead of the system's`},
	{name: "expires_within", is: duration(tick, 10*year, "never"), def: `""`, of: tlsTypes, doc: `"720h": warn of a certificate that ends so soon`},
	{name: "service", is: visible("the name of a service", "", true), def: `""`, of: []string{"grpc"}, doc: `"": the server as a whole`},
	{name: "tls", is: boolean(), def: `false`, of: overTLS, doc: "talk over TLS"},
	{name: "send", is: text("what to send"), def: `""`, of: scriptTypes, doc: `"PING\r\n"`},
	{name: "send_hex", is: hexadecimal(), def: `""`, of: scriptTypes, doc: `"50 49 4e 47 0d 0a": the same`},
	{name: "expect", is: text("what to expect"), def: `""`, of: scriptTypes, doc: `"+PONG": to be somewhere in the answer`},
	{name: "expect_hex", is: hexadecimal(), def: `""`, of: scriptTypes},
	{name: "expect_match", is: pattern(), def: `""`, of: scriptTypes, doc: `"^[+]PONG": a regular expression for the answer`},
	{name: "steps", is: list{item: stepTable, of: `a list of steps such as [{ send = "PING\r\n", expect = "+PONG" }]`}, def: `[]`, of: scriptTypes,
		doc: `[{ expect = "220 " }, { send = "QUIT\r\n", expect = "221 " }]: instead of the five above`},
	{name: "user", is: visible("the name of a user", "", false), def: `"postgres"`, of: []string{"postgres"}},
	{name: "database", is: visible("the name of a database", "", true), def: `""`, of: []string{"postgres"}, doc: `"": the one that is called like the user`},
	{name: "command", is: words, def: `[]`, of: []string{"exec"}, doc: `["/usr/bin/check", "--fast"]: exit 0 is well`},
	{name: "agent", is: address(`":port", "IP:port", "unix:/path" or ""`, true, parseElsewhere), def: `""`, doc: `":9999": asked at interval, a backend steers its own weight and state there`},
}

var healthTable = &table{
	keys: healthKeys,
	finish: func(r *reader, n *node, v any) {
		h := v.(*Health)
		if h.FastInterval == 0 {
			h.FastInterval = h.Interval
		}
		if h.DownInterval == 0 {
			h.DownInterval = h.Interval
		}
		r.timeout(n, h)
		r.foreign(n, h)
		r.script(n, h)
		r.command(n, h)
		h.Question = question(h)
	},
}

// timeout holds a timeout to the interval.
func (r *reader) timeout(n *node, h *Health) {
	if h.Timeout <= h.Interval {
		return
	}
	// Only a timeout that somebody asked for can contradict the interval.
	if given := n.keys["timeout"]; given != nil {
		given.fault(&r.faults, "found %s, expected at most the interval of %q: a probe ends before the next one begins", given, Duration(h.Interval))
		return
	}
	h.Timeout = h.Interval
}

// foreign finds keys that mean nothing to the type: whoever set one believes
// that it does something.
func (r *reader) foreign(n *node, h *Health) {
	for _, name := range n.names {
		given := n.keys[name]
		i := slices.IndexFunc(healthKeys, func(k key) bool { return k.name == name })
		if i < 0 {
			continue
		}
		k := &healthKeys[i]
		if k.of == nil || slices.Contains(k.of, h.Type) || given.unexpanded {
			continue
		}
		if !reflect.DeepEqual(k.is.read(r, given, reflect.Value{}), k.is.read(r, k.off, reflect.Value{})) {
			given.keyFault(&r.faults, "", "means nothing to a check of type %q, only to %s", h.Type, strings.Join(k.of, ", "))
		}
	}
}

// command holds a check of type exec to a program that is found wherever the
// process was started.
func (r *reader) command(n *node, h *Health) {
	switch {
	case h.Type != "exec":
	case len(h.Command) == 0:
		n.keyFault(&r.faults, "command", `missing; expected a program and its arguments such as ["/usr/bin/check", "--fast"]`)
	case !strings.HasPrefix(h.Command[0], "/"):
		n.keys["command"].fault(&r.faults, "found %q, expected the absolute path of a program first", clip(h.Command[0]))
	}
}

// question tells apart what is asked of a backend beside the type: the keys
// that its type knows and that say something.
func question(h *Health) string {
	v := reflect.ValueOf(h).Elem()
	tree := treeOf(v, true)
	var words []string
	for _, k := range healthKeys {
		if slices.Contains(k.of, h.Type) && !fieldOf(v, k.name).IsZero() {
			value, _ := json.Marshal(tree[k.name]) // of a tree, which has nothing that cannot be
			words = append(words, k.name+"="+string(value))
		}
	}
	return strings.Join(words, " ")
}
