package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"sluice/config"
)

// newGRPC calls Check of the standard health service (grpc.health.v1). The call
// is one request of HTTP/2, which the standard library makes; its messages have
// a single field each. So the program needs no gRPC library, which would keep
// connections, names and retries of its own.
func newGRPC(h config.Health) probe {
	secure := secures(h, "h2")
	message := grpcMessage(h.Service)
	return talking(h, func(t *talk) error {
		scheme := "http"
		if h.TLS {
			scheme = "https"
			if err := secure(t); err != nil {
				return err
			}
		}
		t.doing = "grpc.health.v1.Health/Check"
		ctx, cancel := context.WithDeadline(context.Background(), t.end)
		defer cancel()
		c, err := t.http2(ctx, scheme)
		if err != nil {
			return err
		}
		defer c.Close()
		answer, err := c.RoundTrip((&http.Request{
			Method: http.MethodPost, Host: hostOf(h, t.to),
			URL:           &url.URL{Scheme: scheme, Host: hostOf(h, t.to), Path: "/" + t.doing},
			Header:        http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"sluice"}},
			Body:          io.NopCloser(bytes.NewReader(message)),
			ContentLength: int64(len(message)),
		}).WithContext(ctx))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(io.LimitReader(answer.Body, mostRead))
		if err != nil {
			return err
		}
		return t.serving(answer, body)
	})
}

// http2 is an HTTP/2 client over the connection.
func (t *talk) http2(ctx context.Context, scheme string) (*http.ClientConn, error) {
	have := func(context.Context, string, string) (net.Conn, error) { return t.Conn, nil }
	transport := &http.Transport{DialContext: have, DialTLSContext: have, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	transport.Protocols.SetUnencryptedHTTP2(true)
	return transport.NewClientConn(ctx, scheme, "backend:0")
}

// serving judges the answer to a Check.
func (t *talk) serving(answer *http.Response, body []byte) error {
	status, says := answer.Trailer.Get("Grpc-Status"), answer.Trailer.Get("Grpc-Message")
	if status == "" {
		status, says = answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	}
	switch {
	case answer.StatusCode != http.StatusOK:
		return verdict(fmt.Sprintf("%s: HTTP status %d, expected 200", t.doing, answer.StatusCode))
	case status == "12":
		return verdict(t.doing + ": it has no health service (UNIMPLEMENTED)")
	case status == "5":
		return verdict(t.doing + ": it does not know the service (NOT_FOUND)")
	case status != "0":
		return verdict(fmt.Sprintf("%s: gRPC status %q %s", t.doing, status, says))
	}
	switch s := grpcStatus(body); s {
	case 1:
		return nil
	case 2:
		return verdict(t.doing + ": NOT_SERVING")
	default:
		return verdict(fmt.Sprintf("%s: status %d, expected 1 (SERVING)", t.doing, s))
	}
}

// grpcMessage is a HealthCheckRequest{service = 1} as gRPC frames it.
func grpcMessage(service string) []byte {
	var m []byte
	if service != "" {
		m = append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(service))), service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

// grpcStatus is the field status = 1 of a HealthCheckResponse, 0 (UNKNOWN) if it
// is not there. Fields are passed over that a later version may have.
func grpcStatus(body []byte) uint64 {
	if len(body) < 5 || body[0] != 0 {
		return 0
	}
	var status uint64
	for m := body[5:]; len(m) > 0; {
		tag, n := binary.Uvarint(m)
		if n <= 0 {
			return 0
		}
		m = m[n:]
		value, n := binary.Uvarint(m)
		switch skip := uint64(max(n, 0)); {
		case tag&7 == 0 && n > 0:
			if tag>>3 == 1 {
				status = value
			}
			m = m[skip:]
		case tag&7 == 2 && n > 0 && value <= uint64(len(m))-skip:
			m = m[skip+value:]
		default:
			return 0
		}
	}
	return status
}
