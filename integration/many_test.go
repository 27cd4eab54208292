package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/testnet"
)

func init() {
	// echo ADDRESS... echoes, and says "ready".
	helpers["echo"] = func() error {
		for _, a := range os.Args[1:] {
			if _, err := testnet.Listen(a, testnet.Echo); err != nil {
				return err
			}
		}
		fmt.Println(`{"msg":"ready"}`)
		select {}
	}
	// hold N FRONT... opens N connections, exchanges bytes over each while all
	// are open and says "all", does so again for each line of its standard input,
	// and ends when that does.
	helpers["hold"] = hold
	// churn N FRONT... makes N connections of one request each, 32 at a time.
	helpers["churn"] = churn
}

func hold() error {
	n, _ := strconv.Atoi(os.Args[1])
	conns := make([]testnet.Conn, n)
	for i := range conns {
		c, err := from(i, os.Args[2:])
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns[i] = c
	}
	for asked := bufio.NewScanner(os.Stdin); ; {
		for round := range 2 {
			for i, c := range conns {
				if _, err := testnet.Exchange(c, testnet.Stream(i), int64(1+i%3000)); err != nil {
					return fmt.Errorf("connection %d, round %d: %w", i, round, err)
				}
			}
		}
		fmt.Println(`{"msg":"all"}`)
		if !asked.Scan() {
			return nil
		}
	}
}

// from connects from one of several loopback addresses, each of which has
// ports of its own.
func from(i int, fronts []string) (testnet.Conn, error) {
	d := net.Dialer{
		Timeout:   patience,
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%8))},
		Control: func(_, _ string, raw syscall.RawConn) error {
			const bindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT: the port is chosen by connect
			return raw.Control(func(fd uintptr) {
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindAddressNoPort, 1)
			})
		},
	}
	c, err := d.Dial("tcp", fronts[i%len(fronts)])
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	return c.(testnet.Conn), nil
}

func TestManyConnectionsAtOnceAndNothingIsLeft(t *testing.T) {
	const limit = 20_000
	n := 9_500
	var own syscall.Rlimit
	testnet.Must(t, "getrlimit", syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own))
	if own.Max < limit {
		testnet.Skip(t, "needs a limit of %d open files, the limit is %d", limit, own.Max)
	}
	backends, listen := manyAddresses(t)
	p := Sluice(t, Setup{Bind: listen, Backends: backends, Access: "errors"}.TOML(), NoFile(limit))
	// One connection first: what is opened once is open now.
	warm := testnet.Dial(t, p.Front("web"))
	_, err := testnet.Exchange(warm, 1, 100_000)
	testnet.Must(t, "exchange", err)
	warm.Close()
	testnet.Eventually(t, patience, "it has ended", func() bool { return p.Sockets() == len(listen) })
	before := p.Usage()

	for range 2 {
		stdin, stop, err := os.Pipe()
		testnet.Must(t, "pipe", err)
		load, said := helperWithInput(t, stdin, "hold", append([]string{strconv.Itoa(n)}, p.Fronts("web")...)...)
		stdin.Close()
		if _, ok := said.Await(0, 2*time.Minute, Says("all")); !ok {
			t.Fatalf("the load failed: %s%s", said.Tail(5), load.out)
		}
		full := p.Usage()
		t.Logf("%d connections: %v", n, full)
		if got := full.Sockets - before.Sockets; got != 2*n {
			again := p.Usage()
			t.Errorf("%d sockets for %d connections, then %v; the load is %s", got, n, again, load.State())
		}
		if each := (full.RSS - before.RSS) / int64(n); each > 2048 {
			t.Errorf("%d bytes of memory for each connection", each)
		}
		// The timers of connecting are looked at once more when they fire.
		testnet.Eventually(t, patience, "idle connections use no CPU", func() bool {
			return quietCPU(p, 500*time.Millisecond) == 0
		})
		stop.Close()
		testnet.Eventually(t, time.Minute, "as many descriptors as before", func() bool {
			u := p.Usage()
			return u.Sockets == before.Sockets && u.Pipes <= before.Pipes && u.Others == before.Others
		})
	}
	t.Logf("before %v, after %v", before, p.Usage())
	if bad := p.All(Connections); len(bad) > 0 {
		t.Errorf("%d connections failed, for one %s", len(bad), bad[0].Raw)
	}
}

// manyAddresses starts backends, and says where to listen so that there are ports
// enough for thousands of connections.
func manyAddresses(t *testing.T) (backends, listen []string) {
	t.Helper()
	for i := range 4 {
		backends = append(backends, fmt.Sprintf("127.0.2.%d:0", i+1))
	}
	// The kernel chooses one port, the other addresses take the same.
	l, err := net.Listen("tcp4", backends[0])
	testnet.Must(t, "find a port", err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	for i, b := range backends {
		backends[i] = strings.TrimSuffix(b, "0") + port
		listen = append(listen, fmt.Sprintf("127.0.3.%d:0", i+1))
	}
	_, echo := Helper(t, "echo", backends...)
	echo.Await(0, patience, Says("ready"))
	return backends, listen
}
