package control

import (
	"fmt"
	"net/netip"
	"slices"

	"sluice/config"
	"sluice/proxy"
	"sluice/proxy/guard"
	"sluice/state"
)

// What the words of the file mean to the data plane.
var (
	relays   = map[string]proxy.Relay{"splice": proxy.Splice, "copy": proxy.Copy}
	rejects  = map[string]proxy.Reject{"reset": proxy.RejectReset, "close": proxy.RejectClose}
	hashKeys = map[string]proxy.HashOn{"source": proxy.HashSource, "sni": proxy.HashSNI, "listener": proxy.HashListener}
	sends    = map[string]proxy.SendProxy{"": proxy.SendNone, "off": proxy.SendNone, "v1": proxy.SendV1, "v2": proxy.SendV2}
)

func proxyListener(row *state.Listener, p *proxy.Pool) (*proxy.Listener, error) {
	relay, err := word("relay", row.Relay, relays)
	if err != nil {
		return nil, err
	}
	reject, err := word("reject", row.Reject, rejects)
	if err != nil {
		return nil, err
	}
	bind := make([]proxy.Address, len(row.Bind))
	for i, a := range row.Bind {
		bind[i] = proxy.Address(a)
	}
	return &proxy.Listener{
		Name:             row.Name,
		Bind:             bind,
		Pool:             p,
		Relay:            relay,
		Reject:           reject,
		MaxConnections:   int64(row.MaxConnections),
		ACL:              guard.NewACL(slices.Concat(row.Allow, row.AllowListed), slices.Concat(row.Deny, row.DenyListed)),
		IdleTimeout:      row.IdleTimeout,
		HalfCloseTimeout: row.HalfCloseTimeout,
		InspectTimeout:   row.InspectTimeout,
		Reach:            proxy.Reach{Transparent: row.Transparent, FreeBind: row.FreeBind, Mark: row.Mark, Interface: row.Interface, Multipath: row.Multipath},
		Rate:             guard.NewRate(row.ConnectionRate.Count, row.ConnectionRate.Per),
		PerSource: guard.Limits{
			Most: int64(row.MaxPerSource),
			Rate: guard.NewRate(row.RatePerSource.Count, row.RatePerSource.Per),
		},
		Fallback:     proxy.File{Path: row.Fallback, Stamp: row.FallbackStamp},
		SourcePrefix: row.SourcePrefix,
		MaxLifetime:  row.MaxLifetime,
		Backlog:      row.Backlog,
		Socket: proxy.SocketOptions{
			NoDelay:     row.NoDelay,
			DeferAccept: row.DeferAccept,
			FastOpen:    row.FastOpen,
			Keepalive:   proxy.Keepalive(row.Keepalive),
			UserTimeout: row.UserTimeout,
		},
	}, nil
}

// proxyPool is the pool without its backends.
func proxyPool(row *state.Pool) (*proxy.Pool, error) {
	hashOn, err := word("hash_on", row.HashOn, hashKeys)
	if err != nil {
		return nil, err
	}
	if hashOn == proxy.HashSNI && row.Policy != "source_hash" && row.Policy != "maglev" {
		hashOn = proxy.HashSource // nobody goes by it, and no name need be looked for
	}
	send, err := word("send_proxy", row.SendProxy, sends)
	if err != nil {
		return nil, err
	}
	return &proxy.Pool{
		Name:           row.Name,
		SendProxy:      send,
		From:           from(row.Source),
		ConnectTimeout: row.ConnectTimeout,
		MaxConnections: int64(row.MaxConnections),
		Queue:          row.Queue,
		QueueTimeout:   row.QueueTimeout,
		Retries:        row.Retries,
		HashOn:         hashOn,
		Latency:        row.Policy == "least_latency",
		Socket: proxy.SocketOptions{
			NoDelay:     true, // a client's small write must not wait for the backend's ACK
			Keepalive:   proxy.Keepalive(row.Keepalive),
			UserTimeout: row.UserTimeout,
		},
	}, nil
}

// from is where a pool connects from.
func from(source string) proxy.From {
	if source == config.SourceClient {
		return proxy.From{Client: true}
	}
	ip, _ := netip.ParseAddr(source) // "" is none
	return proxy.From{Address: ip}
}

// word is the value that stands for a word of the file.
func word[T any](key, w string, values map[string]T) (T, error) {
	v, ok := values[w]
	if !ok {
		return v, fmt.Errorf("%s %q is not known", key, w)
	}
	return v, nil
}
