package health

import (
	"bufio"
	"bytes"
	"fmt"

	"sluice/config"
)

// newRedis asks with PING and takes leave with QUIT, in the wire's own bytes:
// a client's library begins with a HELLO, which is refused by a server that
// wants a password, and with a pool of connections, of which none is wanted
// here.
//
// A server that asks for a password, or does not let strangers PING, is well.
// One that is loading, that has lost its primary or that has no room for
// another client says so and is not.
func newRedis(h config.Health) probe {
	secure := secures(h)
	return talking(h, func(t *talk) error {
		if h.TLS {
			if err := secure(t); err != nil {
				return err
			}
		}
		t.doing = "PING"
		if _, err := t.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
			return err
		}
		line, err := bufio.NewReaderSize(t, 1024).ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if !redisIsWell(line) {
			return verdict(fmt.Sprintf("PING: %s, expected +PONG", quote(bytes.TrimRight(line, "\r\n"))))
		}
		t.Write([]byte("*1\r\n$4\r\nQUIT\r\n"))
		t.part()
		return nil
	})
}

func redisIsWell(line []byte) bool {
	for _, word := range []string{"+PONG\r\n", "-NOAUTH ", "-NOPERM "} {
		if bytes.HasPrefix(line, []byte(word)) {
			return true
		}
	}
	return false
}
