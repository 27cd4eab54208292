package control

import (
	"fmt"

	"sluice/proxy"
	"sluice/state"
)

// What the words of the file mean to the data plane.
var (
	relays   = map[string]proxy.Relay{"splice": proxy.Splice, "copy": proxy.Copy}
	rejects  = map[string]proxy.Reject{"reset": proxy.RejectReset, "close": proxy.RejectClose}
	hashKeys = map[string]proxy.HashOn{"source": proxy.HashSource, "listener": proxy.HashListener}
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
		IdleTimeout:      row.IdleTimeout,
		HalfCloseTimeout: row.HalfCloseTimeout,
		Backlog:          row.Backlog,
		Socket: proxy.SocketOptions{
			NoDelay:     row.NoDelay,
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
	return &proxy.Pool{
		Name:           row.Name,
		ConnectTimeout: row.ConnectTimeout,
		Retries:        row.Retries,
		HashOn:         hashOn,
		Socket: proxy.SocketOptions{
			NoDelay:     true, // a client's small write must not wait for the backend's ACK
			Keepalive:   proxy.Keepalive(row.Keepalive),
			UserTimeout: row.UserTimeout,
		},
	}, nil
}

// word is the value that stands for a word of the file.
func word[T any](key, w string, values map[string]T) (T, error) {
	v, ok := values[w]
	if !ok {
		return v, fmt.Errorf("%s %q is not known", key, w)
	}
	return v, nil
}
