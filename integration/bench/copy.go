package main

import (
	"io"
	"net"
	"os"
)

// planCopy runs the plain Go peer, which is this binary.
func planCopy(s Setup) Plan {
	p := Plan{env: []string{asVar + "=go-copy"}}
	me, err := os.Executable()
	if err != nil {
		me = os.Args[0]
	}
	p.command = []string{me}
	p.text = "for each connection: dial the backend, then in a goroutine for each direction\nio.Copy(to, from); to.CloseWrite()\n"
	for _, r := range s.routes() {
		p.command = append(p.command, r.bind, r.backends[0])
	}
	return p
}

// copier is the Go proxy that everybody writes first: two goroutines a
// connection and io.Copy, which splices between TCP sockets. Its arguments are
// pairs of an address to listen on and one to dial.
func copier(pairs []string) error {
	failed := make(chan error)
	for i := 0; i+1 < len(pairs); i += 2 {
		l, err := net.Listen("tcp4", pairs[i])
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					continue // out of descriptors: the next may find some
				}
				go relay(c.(*net.TCPConn), pairs[i+1])
			}
		}()
	}
	return <-failed
}

func relay(client *net.TCPConn, address string) {
	defer client.Close()
	c, err := net.Dial("tcp4", address)
	if err != nil {
		return
	}
	backend := c.(*net.TCPConn)
	defer backend.Close()
	up := make(chan struct{})
	go func() {
		io.Copy(backend, client)
		backend.CloseWrite()
		close(up)
	}()
	io.Copy(client, backend)
	client.CloseWrite()
	<-up
}
