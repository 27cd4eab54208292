package integration

import (
	"context"
	"testing"

	"sluice/internal/testnet"
)

// answer is large enough to fill every buffer on the way many times.
var answer = func() int64 {
	if testnet.All() {
		return 100_000_000
	}
	return 25_000_000
}()

func TestAnswerArrivesWholeAfterTheClientFinished(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		const request = 1_000_000
		got := make(chan error, 1)
		front, _, proxy := p.Serve(t, testnet.Respond(1, request, answer, func(err error) { got <- err }), nil)
		c := testnet.Dial(t, front)
		testnet.Must(t, "send the request", testnet.Stream(1).Send(c, request))
		testnet.Must(t, "finish sending", c.CloseWrite())
		testnet.Must(t, "receive the answer", testnet.Stream(1).Receive(c, answer))
		testnet.Must(t, "the request at the backend", <-got)
		wantRecord(t, proxy, "completed", request, answer)
	})
}

func TestRequestArrivesWholeAfterTheBackendFinished(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		const greeting = 1_000_000
		got := make(chan error, 1)
		front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			if err := testnet.Stream(2).Send(c, greeting); err != nil {
				got <- err
				return
			}
			c.CloseWrite()
			got <- testnet.Stream(3).Receive(c, answer)
		}, nil)
		c := testnet.Dial(t, front)
		testnet.Must(t, "receive to the end", testnet.Stream(2).Receive(c, greeting))
		testnet.Must(t, "send", testnet.Stream(3).Send(c, answer))
		testnet.Must(t, "finish sending", c.CloseWrite())
		testnet.Must(t, "what the backend received", <-got)
		wantRecord(t, proxy, "completed", answer, greeting)
	})
}

func TestBothDirectionsAtOnceArriveWhole(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		got := make(chan error, 1)
		front, _, proxy := p.Serve(t, func(_ context.Context, c testnet.Conn) {
			go func() { got <- testnet.Stream(4).Receive(c, answer) }()
			if testnet.Stream(5).Send(c, answer/2) == nil {
				c.CloseWrite()
			}
			got <- <-got // the connection stays until all has come
		}, nil)
		c := testnet.Dial(t, front)
		sent := make(chan error, 1)
		go func() {
			err := testnet.Stream(4).Send(c, answer)
			c.CloseWrite()
			sent <- err
		}()
		testnet.Must(t, "receive", testnet.Stream(5).Receive(c, answer/2))
		testnet.Must(t, "send", <-sent)
		testnet.Must(t, "what the backend received", <-got)
		wantRecord(t, proxy, "completed", answer, answer/2)
	})
}

func TestAnEmptyConnectionEndsOnBothSides(t *testing.T) {
	overEveryPath(t, func(t *testing.T, p Path) {
		front, _, proxy := p.Serve(t, testnet.Echo, nil)
		c := testnet.Dial(t, front)
		testnet.Must(t, "finish sending", c.CloseWrite())
		testnet.Must(t, "receive nothing", testnet.Stream(0).Receive(c, 0))
		wantRecord(t, proxy, "completed", 0, 0)
	})
}
