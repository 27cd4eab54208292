package testnet

import (
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// ClientHello is what a TLS client has said, as it came.
type ClientHello struct {
	Client string
	Bytes  []byte // whole records
	Name   string // the server name in it, in lower case; "" if there is none
	ALPN   string // its protocols, as they are sent
}

// ClientHellos are those of the clients that people have.
func ClientHellos(tb testing.TB) []ClientHello {
	tb.Helper()
	const web = "\x02h2\x08http/1.1"
	return []ClientHello{
		{"Go, post-quantum", HelloOf(tb, &tls.Config{ServerName: "Api.Example.COM", NextProtos: []string{"h2", "http/1.1"},
			CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}), "api.example.com", web},
		{"Go, TLS 1.2", HelloOf(tb, &tls.Config{ServerName: "old.example.com", MaxVersion: tls.VersionTLS12}), "old.example.com", ""},
		{"Go, no name", HelloOf(tb, &tls.Config{InsecureSkipVerify: true}), "", ""},
		{"Go, address", HelloOf(tb, &tls.Config{ServerName: "192.0.2.7"}), "", ""},
		{"curl", helloOfProgram(tb, "curl", "-sk", "--connect-to", "api.example.com:443:ADDRESS", "https://api.example.com/"), "api.example.com", web},
		{"openssl", helloOfProgram(tb, "openssl", "s_client", "-connect", "ADDRESS", "-servername", "api.example.com", "-alpn", "h2"), "api.example.com", "\x02h2"},
		{"openssl, dot", helloOfProgram(tb, "openssl", "s_client", "-connect", "ADDRESS", "-servername", "api.example.com."), "api.example.com", ""},
	}
}

// HelloOf is the ClientHello of crypto/tls.
func HelloOf(tb testing.TB, config *tls.Config) []byte {
	tb.Helper()
	return saidFirst(tb, func(address string) {
		if c, err := net.Dial("tcp", address); err == nil {
			tls.Client(c, config).Handshake()
			c.Close()
		}
	})
}

func helloOfProgram(tb testing.TB, args ...string) []byte {
	tb.Helper()
	bin := Need(tb, args[0])[0]
	return saidFirst(tb, func(address string) {
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "ADDRESS", address)
		}
		exec.Command(bin, args[1:]...).Run() // it fails: nobody answers
	})
}

// LongHello is a ClientHello of nearly 64 KiB for the name long.example.com: it
// offers many protocols.
func LongHello(tb testing.TB) []byte {
	tb.Helper()
	protocols := make([]string, 250)
	for i := range protocols {
		protocols[i] = strings.Repeat("x", 247)
	}
	return HelloOf(tb, &tls.Config{ServerName: "long.example.com", NextProtos: protocols})
}

// saidFirst is what a client sends when it has connected: the records that have
// its first message.
func saidFirst(tb testing.TB, connect func(address string)) (said []byte) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Must(tb, "listen", err)
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		connect(l.Addr().String())
	}()
	c, err := l.Accept()
	Must(tb, "accept", err)
	c.SetDeadline(time.Now().Add(30 * time.Second))
	for whole := 4; len(HandshakeOf(said)) < whole; {
		header := make([]byte, 5)
		_, err = io.ReadFull(c, header)
		Must(tb, "read the header of a record", err)
		record := make([]byte, int(header[3])<<8+int(header[4]))
		_, err = io.ReadFull(c, record)
		Must(tb, "read a record", err)
		said = append(append(said, header...), record...)
		m := HandshakeOf(said)
		whole = 4 + int(m[1])<<16 + int(m[2])<<8 + int(m[3])
	}
	c.Close()
	<-done
	return said
}

// HandshakeOf is the message of whole TLS records.
func HandshakeOf(records []byte) (message []byte) {
	for len(records) >= 5 {
		end := 5 + int(records[3])<<8 + int(records[4])
		message = append(message, records[5:end]...)
		records = records[end:]
	}
	return message
}

// Records divides a TLS message of a handshake into records of a size.
func Records(message []byte, size int) (records []byte) {
	for len(message) > 0 {
		n := min(size, len(message))
		records = append(records, 22, 3, 1, byte(n>>8), byte(n))
		records = append(records, message[:n]...)
		message = message[n:]
	}
	return records
}
