package integration

import (
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// tlsNginx answers https with a word.
func tlsNginx(t *testing.T, word string) (address string) {
	t.Helper()
	address = testnet.FreeAddress(t, "tcp4")
	nginxHTTP(t, address, "ssl http2", fmt.Sprintf(`
		ssl_certificate %[1]s;
		ssl_certificate_key %[1]s;
		location / { return 200 "%[2]s\n"; }`, certificate(t, word+".example.com"), word))
	return address
}

// edge is a configuration of one listener with routes.
func edge(listener string, pools ...string) string {
	return `
[listeners.web]
bind = ["127.0.0.1:0"]
` + listener + "\n" + strings.Join(pools, "\n")
}

func poolTo(name, address, more string) string {
	return fmt.Sprintf("[pools.%s]\nbackends = [%q]\n%s\n[pools.%s.health]\ntype = \"none\"\n", name, address, more, name)
}

// TestTLSGoesByItsNameToRealServers: what curl, openssl and Go send, whole and a
// byte at a time, reaches nginx or HAProxy as their name and protocol say.
func TestTLSGoesByItsNameToRealServers(t *testing.T) {
	tools := testnet.Need(t, "curl", "openssl", "haproxy", "nginx")
	nginx := tlsNginx(t, "nginx")
	behind := testnet.FreeAddress(t, "tcp4")
	haproxy(t, fmt.Sprintf(`
frontend tls
	mode http
	bind %s ssl crt %s alpn h2,http/1.1
	http-request return status 200 content-type text/plain string "haproxy\n"
`, behind, certificate(t, "haproxy.example.com"))).AwaitAnswer(behind)
	p := Sluice(t, edge(`
[[listeners.web.routes]]
sni = ["nginx.example.com"]
pool = "nginx"
[[listeners.web.routes]]
sni = ["*.example.com"]
alpn = ["h2"]
pool = "haproxy"
`, poolTo("nginx", nginx, ""), poolTo("haproxy", behind, "")))
	front := p.Front("web")

	for _, name := range []string{"nginx", "haproxy"} {
		host := name + ".example.com"
		t.Run("curl to "+name, func(t *testing.T) {
			for _, through := range []string{front, byteByByte(t, front)} {
				if got := Output(t, tools[0], "-sSk", "--connect-to", host+":443:"+through, "https://"+host+"/"); got != name+"\n" {
					t.Errorf("through %s: got %q", through, got)
				}
			}
		})
		t.Run("Go to "+name, func(t *testing.T) {
			for _, curve := range []tls.CurveID{tls.X25519, tls.X25519MLKEM768} {
				for _, through := range []string{front, byteByByte(t, front)} {
					c, err := tls.Dial("tcp", through, &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"h2"},
						CurvePreferences: []tls.CurveID{curve, tls.CurveP256}})
					testnet.Must(t, "handshake", err)
					if s := c.ConnectionState(); s.PeerCertificates[0].DNSNames[0] != host || s.NegotiatedProtocol != "h2" {
						t.Errorf("%v: got %v, %q", curve, s.PeerCertificates[0].DNSNames, s.NegotiatedProtocol)
					}
					c.Close()
				}
			}
		})
		t.Run("openssl to "+name, func(t *testing.T) {
			for _, through := range []string{front, byteByByte(t, front)} {
				c := exec.Command(tools[1], "s_client", "-connect", through, "-servername", host, "-alpn", "h2", "-brief")
				got, err := c.CombinedOutput() // its input is at its end, so it ends
				if err != nil || !strings.Contains(string(got), "CN = "+host) {
					t.Errorf("through %s: %v, %s", through, err, got)
				}
			}
		})
	}
	t.Run("no route", func(t *testing.T) {
		if _, err := tls.Dial("tcp", front, &tls.Config{ServerName: "other.org", InsecureSkipVerify: true}); err == nil {
			t.Error("a name that no route has was served")
		}
		p.Say(patience, "no_route with its name", func(l Line) bool {
			return l.Msg == "connection" && strings.Contains(l.Raw, `"cause":"no_route"`) && strings.Contains(l.Raw, `"sni":"other.org"`)
		})
		p.Say(patience, "a route and its name", func(l Line) bool {
			return l.Msg == "connection" && strings.Contains(l.Raw, `"route":1`) && strings.Contains(l.Raw, `"sni":"haproxy.example.com"`)
		})
	})
}

// TestClientsThatSayHalfCostNothing: what is waited for is more than is there, and
// nobody looks meanwhile.
func TestClientsThatSayHalfCostNothing(t *testing.T) {
	p := Sluice(t, edge(`
inspect_timeout = "1m"
proxy_protocol = "optional"
proxy_protocol_from = ["127.0.0.0/8"]
[[listeners.web.routes]]
sni = ["a.example.com"]
pool = "a"
`, poolTo("a", testnet.Start(t, "tcp4", testnet.Echo).Address, "")))
	for _, half := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PROXY TCP4 ", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"} {
		for range 50 {
			_, err := testnet.Dial(t, p.Front("web")).Write([]byte(half))
			testnet.Must(t, "write", err)
		}
	}
	if quiet := quietCPU(p, 500*time.Millisecond); quiet > 0.02 {
		t.Errorf("with 250 clients that have said half, sluice uses %.1f%% of a CPU", 100*quiet)
	}
}

// byteByByte is a way to an address on which the first bytes are divided: the
// first 2000 come one at a time.
func byteByByte(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testnet.Must(t, "listen", err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go divide(in, to)
		}
	}()
	return l.Addr().String()
}

func divide(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		b := make([]byte, 1)
		for range 2000 {
			if _, err := in.Read(b); err != nil {
				break
			}
			if _, err := out.Write(b); err != nil {
				return
			}
		}
		big := make([]byte, 1<<16)
		for {
			n, err := in.Read(big)
			out.Write(big[:n])
			if err != nil {
				out.(*net.TCPConn).CloseWrite()
				return
			}
		}
	}()
	b := make([]byte, 1<<16)
	for {
		n, err := out.Read(b)
		in.Write(b[:n])
		if err != nil {
			return
		}
	}
}
