package health

import (
	"bufio"
	"net"
	"testing"
	"time"

	"sluice/config"
	"sluice/internal/testnet"
)

func script(steps ...config.Step) config.Health {
	return config.Health{Type: "send_expect", Steps: steps}
}

// mail greets and takes leave as a mail server does, in pieces.
func mail(c net.Conn) {
	c.Write([]byte("220-mail.example.com\r\n22"))
	c.Write([]byte("0 ready\r\n"))
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case line == "NOOP\r\n":
			c.Write([]byte("250 OK\r\n"))
		case line == "QUIT\r\n":
			c.Write([]byte("221 Bye\r\n"))
			return
		default:
			c.Write([]byte("500 What?\r\n"))
		}
	}
}

func TestSendExpectProbe(t *testing.T) {
	redis := runRedis(t)
	smtp := serve(t, mail)
	flood := serve(t, func(c net.Conn) {
		for _, err := c.Write(make([]byte, 4096)); err == nil; {
			_, err = c.Write(make([]byte, 4096))
		}
	})
	greeting := config.Step{Expect: "220 "}
	for _, tt := range []struct {
		name string
		h    config.Health
		at   config.Address
		ill  string
	}{
		{"text", script(config.Step{Send: "PING\r\n", Expect: "+PONG"}), redis.at, ""},
		{"hex", script(config.Step{SendHex: "50494e470d0a", ExpectHex: "2b504f4e470d0a"}), redis.at, ""},
		{"a pattern", script(config.Step{Send: "PING\r\n", ExpectMatch: `^\+P[A-Z]+G\r\n$`}), redis.at, ""},
		{"another text", script(config.Step{Send: "WHAT\r\n", Expect: "+PONG"}), redis.at,
			`sent "WHAT\r\n", expected "+PONG", it said "-ERR unknown command 'WHAT'`},
		{"another pattern", script(config.Step{Send: "PING\r\n", ExpectMatch: `^PONG`}), redis.at,
			`sent "PING\r\n", expected a match of "^PONG", it said "+PONG\r\n" within 300ms`},
		{"no answer", script(config.Step{ExpectHex: "00"}), redis.at, `expected 00: no answer within 300ms`},
		{"several steps", script(greeting, config.Step{Send: "NOOP\r\n", Expect: "250 "}, config.Step{Send: "QUIT\r\n", ExpectMatch: "^.*\r\n221 "}), smtp, ""},
		{"what was found is gone", script(greeting, greeting), smtp, `step 2: expected "220 ", it said "ready\r\n" within 300ms`},
		{"a wrong answer on the way", script(greeting, config.Step{Send: "MAIL\r\n", Expect: "250 "}), smtp,
			`step 2: sent "MAIL\r\n", expected "250 ", it said "ready\r\n500 What?\r\n" within 300ms`},
		{"the end comes first", script(config.Step{Send: "QUIT\r\n", Expect: "250 "}), smtp, "and closed the connection"},
		{"only sent", script(config.Step{Send: "QUIT\r\n"}), smtp, ""},
		{"without end", script(config.Step{Expect: "x"}), flood, `expected "x", got 65536 bytes without it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testnet.Leaks(t)
			timeout := 10 * time.Second
			if tt.ill != "" {
				timeout = 300 * time.Millisecond
			}
			err := put(tt.h, tt.at, timeout)
			if tt.ill == "" {
				isWell(t, err)
			} else {
				isIll(t, err, tt.ill)
			}
		})
	}
}

func TestSendExpectProbeOverTLS(t *testing.T) {
	n := runNginx(t)
	h := with(script(config.Step{Send: "GET / HTTP/1.0\r\n\r\n", Expect: "all is well"}), func(h *config.Health) {
		h.TLS, h.Verify, h.CAFile = true, true, n.ca
	})
	isWell(t, put(h, n.secure, 10*time.Second))
	isIll(t, put(h, n.expired, 10*time.Second), "TLS handshake: its certificate has expired on ")
}
