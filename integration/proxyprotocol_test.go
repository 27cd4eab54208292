package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/testnet"
)

// asked is what an HTTP server says to a client, and who the client is.
func asked(t *testing.T, address string) (answer, client string) {
	t.Helper()
	network := "tcp"
	if path, unix := strings.CutPrefix(address, "unix:"); unix {
		network, address = "unix", path
	}
	c, err := net.Dial(network, address)
	testnet.Must(t, "connect", err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	b, err := io.ReadAll(r.Body)
	testnet.Must(t, "read the answer", err)
	return strings.TrimSpace(string(b)), c.LocalAddr().String()
}

// nginxListening is an nginx that reads PROXY headers and answers with the address
// in them.
func nginxListening(t *testing.T, address string) {
	t.Helper()
	nginxHTTP(t, address, "proxy_protocol", `location / { return 200 "$proxy_protocol_addr $proxy_protocol_port\n"; }`)
}

func haproxyListening(t *testing.T, address string) {
	t.Helper()
	haproxy(t, fmt.Sprintf(`
frontend http
	mode http
	bind %s accept-proxy
	http-request return status 200 content-type text/plain lf-string "%%[src] %%[src_port]\n"
`, strings.Replace(address, "unix:", "unix@", 1))).AwaitAnswer(address)
}

// TestRealServersAreToldWhoseConnectionItIs has nginx and HAProxy as receivers.
func TestRealServersAreToldWhoseConnectionItIs(t *testing.T) {
	testnet.Need(t, "nginx", "haproxy")
	for _, server := range []struct {
		name   string
		listen func(*testing.T, string)
	}{{"nginx", nginxListening}, {"haproxy", haproxyListening}} {
		tcp, unix := testnet.FreeAddress(t, "tcp4"), "unix:"+testnet.SocketPath(t)
		server.listen(t, tcp)
		server.listen(t, unix)
		for _, version := range []string{"v1", "v2"} {
			for _, way := range []struct{ name, bind, backend string }{
				{"IPv4", "127.0.0.1:0", tcp}, {"IPv6", "[::1]:0", tcp}, {"to unix", "127.0.0.1:0", unix}, {"from unix", "unix:" + testnet.SocketPath(t), tcp},
			} {
				t.Run(server.name+"/"+version+"/"+way.name, func(t *testing.T) {
					p := Sluice(t, Setup{Bind: []string{way.bind}, Backends: []string{way.backend}, Pool: fmt.Sprintf("send_proxy = %q", version)}.TOML())
					for range 3 {
						answer, client := asked(t, p.Front("web"))
						host, port, err := net.SplitHostPort(client)
						if err != nil { // a unix client has no address: what the server says is its own matter
							break
						}
						if answer != host+" "+port {
							t.Errorf("the server says %q, the client is %s", answer, client)
						}
					}
				})
			}
		}
	}
}

// TestRealProxiesAreBelieved has HAProxy and nginx as senders.
func TestRealProxiesAreBelieved(t *testing.T) {
	testnet.Need(t, "nginx", "haproxy")
	backend := testnet.Start(t, "tcp4", testnet.Echo).Address
	socket := "unix:" + testnet.SocketPath(t)
	p := Sluice(t, Setup{Bind: []string{"127.0.0.1:0", socket}, Backends: []string{backend},
		Listener: "proxy_protocol = \"required\"\nproxy_protocol_from = [\"127.0.0.0/8\"]"}.TOML())
	fronts := p.Fronts("web")
	front := fronts[0]
	if strings.HasPrefix(front, "unix:") {
		front = fronts[1]
	}
	at := func(network string) string {
		if network == "unix" {
			return "unix:" + testnet.SocketPath(t)
		}
		return testnet.FreeAddress(t, network)
	}
	ways := map[string]string{}
	var sections strings.Builder
	for name, how := range map[string]string{"v1": "send-proxy", "v2": "send-proxy-v2"} {
		for to, server := range map[string]string{"tcp": front, "unix": strings.Replace(socket, "unix:", "unix@", 1)} {
			for _, network := range []string{"tcp4", "tcp6", "unix"} {
				address := at(network)
				ways["haproxy/"+name+"/"+network+" over "+to] = address
				fmt.Fprintf(&sections, "\nlisten l%d\n\tmode tcp\n\tbind %s\n\tserver s %s %s\n", len(ways), strings.Replace(address, "unix:", "unix@", 1), server, how)
			}
		}
	}
	run := haproxy(t, sections.String())
	for _, address := range ways {
		run.AwaitAnswer(address)
	}
	for to, server := range map[string]string{"tcp": front, "unix": socket} {
		for _, network := range []string{"tcp4", "tcp6", "unix"} { // of version 1: this nginx sends no other
			address := at(network)
			ways["nginx/v1/"+network+" over "+to] = address
			nginxSending(t, address, server)
		}
	}
	for name, address := range ways {
		t.Run(name, func(t *testing.T) {
			c := testnet.Dial(t, address)
			_, err := testnet.Exchange(c, 3, 200_000)
			testnet.Must(t, "exchange", err)
			from, tcp := c.LocalAddr().(*net.TCPAddr)
			c.Close()
			if !tcp { // it was taken, but a header cannot say whose the other end is
				return
			}
			client := from.String()
			p.Say(patience, "the client's own address", func(l Line) bool {
				return l.Msg == "connection" && strings.Contains(l.Raw, fmt.Sprintf(`"client":%q`, client))
			})
		})
	}
}

func nginxSending(t *testing.T, address, to string) {
	t.Helper()
	nginxStream(t, address, fmt.Sprintf("proxy_pass %s; proxy_protocol on;", to))
}
