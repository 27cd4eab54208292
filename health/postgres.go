package health

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"sluice/config"
)

// newPostgres begins a session as a client does, in the wire's own bytes
// (PostgreSQL documentation, "Frontend/Backend Protocol"): a library would go
// on where this stops. A server that asks for a password is well, and takes no
// offence when the connection ends there; to one that trusts the user, Terminate
// is said. So its log has no error of a probe, as long as the user is not one
// that it refuses outright.
func newPostgres(h config.Health) probe {
	secure := secures(h)
	startup := postgresStartup(h.User, h.Database)
	return talking(h, func(t *talk) error {
		if h.TLS {
			if err := postgresTLS(t); err != nil {
				return err
			}
			if err := secure(t); err != nil {
				return err
			}
		}
		t.doing = "startup"
		if _, err := t.Write(startup); err != nil {
			return err
		}
		for {
			kind, body, err := postgresMessage(t)
			switch {
			case err != nil:
				return err
			case kind == 'E':
				return verdict("startup: " + postgresError(body))
			case kind == 'Z', kind == 'R' && len(body) >= 4 && binary.BigEndian.Uint32(body) != 0:
				if kind == 'Z' { // it waits for a query
					t.Write([]byte{'X', 0, 0, 0, 4})
				}
				t.part()
				return nil
			}
		}
	})
}

// postgresStartup is the StartupMessage of protocol 3.0.
func postgresStartup(user, database string) []byte {
	words := []string{"user", user, "application_name", "sluice"}
	if database != "" {
		words = append(words, "database", database)
	}
	m := []byte{0, 0, 0, 0, 0, 3, 0, 0}
	for _, w := range words {
		m = append(append(m, w...), 0)
	}
	m = append(m, 0)
	binary.BigEndian.PutUint32(m, uint32(len(m)))
	return m
}

// postgresTLS asks with an SSLRequest for what comes next to be over TLS.
func postgresTLS(t *talk) error {
	t.doing = "SSLRequest"
	if _, err := t.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(t, answer[:]); err != nil {
		return err
	}
	if answer[0] != 'S' {
		return verdict(fmt.Sprintf("SSLRequest: said %q, expected S: it does not talk over TLS", answer))
	}
	return nil
}

func postgresMessage(t *talk) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(t, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size < 4 || size > mostRead {
		return 0, nil, verdict(fmt.Sprintf("startup: said %q, which is not PostgreSQL's protocol", head))
	}
	body = make([]byte, size-4)
	_, err = io.ReadFull(t, body)
	return head[0], body, err
}

// postgresError is an ErrorResponse as psql shows it.
func postgresError(body []byte) string {
	fields := map[byte]string{}
	for field := range bytes.SplitSeq(body, []byte{0}) {
		if len(field) > 0 {
			fields[field[0]] = string(field[1:])
		}
	}
	return fmt.Sprintf("%s %s: %s", fields['S'], fields['C'], fields['M'])
}
