package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Site is where client, proxy and backend live and how they are joined.
//
//	loopback:  one namespace, all of 127.0.0.0/8
//	veth:      client ns ==veth== proxy ns ==veth== backend ns
//	segments:  the same, every packet at most 1448 bytes of payload
type Site struct {
	name     string
	launcher *launcher
	nsProxy  *Namespace
	proxy    string // the address that proxies listen on
	backend  Place
	sources  []string

	client    *Process
	clientIn  io.WriteCloser
	answers   chan Result
	backendAt *Process
	backendIn io.WriteCloser
	output    []io.Closer
}

const sourceCount = 32

// newSite makes the namespaces and starts the load's two ends in them.
func newSite(l *launcher, name, dir string, loops int) (s *Site, err error) {
	s = &Site{name: name, launcher: l}
	defer func() {
		if err != nil {
			s.close()
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	var nsClient, nsBackend *Namespace
	if s.nsProxy, err = l.make(); err != nil {
		return s, err
	}
	switch name {
	case "loopback":
		nsClient, nsBackend = s.nsProxy, s.nsProxy
		s.proxy, s.backend = "127.0.0.1", Place{"127.0.0.1", backendBase}
		for i := range sourceCount {
			s.sources = append(s.sources, fmt.Sprintf("127.0.1.%d", i+1))
		}
	default:
		s.proxy, s.backend = "10.71.1.1", Place{"10.71.2.2", backendBase}
		if nsClient, nsBackend, err = s.wire(name == "segments"); err != nil {
			return s, err
		}
		defer nsClient.file.Close()
		defer nsBackend.file.Close()
	}
	return s, s.startLoad(nsClient, nsBackend, filepath.Join(dir, name+".counter"), loops)
}

// wire makes the two outer namespaces and joins them to the proxy's.
func (s *Site) wire(small bool) (client, backend *Namespace, err error) {
	l := s.launcher
	if client, err = l.make(); err != nil {
		return
	}
	if backend, err = l.make(); err != nil {
		return
	}
	configure := func(ns *Namespace, device string, commands ...string) error {
		return l.in(ns, func() error {
			for _, c := range append(commands, "link set "+device+" up") {
				if err := ip(c); err != nil {
					return err
				}
			}
			if !small {
				return nil
			}
			return errors.Join(tool("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off"),
				noOffload(output("ethtool", "-k", device)))
		})
	}
	addresses := []string{}
	for i := range sourceCount {
		s.sources = append(s.sources, fmt.Sprintf("10.71.1.%d", i+10))
		addresses = append(addresses, "addr add "+s.sources[i]+"/24 dev toproxy")
	}
	err = errors.Join(
		l.in(s.nsProxy, func() error {
			return errors.Join(
				ip("link add toclient type veth peer name toproxy netns "+client.path()),
				ip("link add tobackend type veth peer name toproxy netns "+backend.path()))
		}),
		configure(s.nsProxy, "toclient", "addr add 10.71.1.1/24 dev toclient"),
		configure(s.nsProxy, "tobackend", "addr add 10.71.2.1/24 dev tobackend"),
		configure(client, "toproxy", addresses...),
		configure(backend, "toproxy", "addr add 10.71.2.2/24 dev toproxy"),
	)
	if err == nil { // a route needs its device up
		err = errors.Join(
			l.in(client, func() error { return ip("route add default via 10.71.1.1") }),
			l.in(backend, func() error { return ip("route add default via 10.71.2.1") }))
	}
	return client, backend, err
}

// noOffload looks whether what ethtool was told took.
func noOffload(features string) error {
	for _, f := range []string{"tcp-segmentation-offload", "generic-segmentation-offload", "generic-receive-offload"} {
		if !strings.Contains(features, f+": off") {
			return fmt.Errorf("ethtool left %s on", f)
		}
	}
	return nil
}

func (s *Site) startLoad(nsClient, nsBackend *Namespace, counter string, loops int) error {
	if err := makeCounter(counter); err != nil {
		return err
	}
	var out io.Reader
	var err error
	if s.backendAt, s.backendIn, out, err = s.startSelf(nsBackend, "backend", counter, loops); err != nil {
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		return fmt.Errorf("the backend did not start: %s", s.backendAt.out)
	}
	if s.client, s.clientIn, out, err = s.startSelf(nsClient, "client", counter, loops); err != nil {
		return err
	}
	s.answers = make(chan Result)
	go func() {
		defer close(s.answers)
		for d := json.NewDecoder(out); ; {
			var r Result
			if d.Decode(&r) != nil {
				return
			}
			s.answers <- r
		}
	}()
	return nil
}

func (s *Site) startSelf(ns *Namespace, as, counter string, loops int) (*Process, io.WriteCloser, io.Reader, error) {
	c, err := self(as, loops, counter)
	if err != nil {
		return nil, nil, nil, err
	}
	in, err := c.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	c.Stdout = w
	s.output = append(s.output, out)
	p, err := s.launcher.start(ns, c)
	w.Close()
	return p, in, out, err
}

// ask has the client do a job and waits for its answer.
func (s *Site) ask(j Job) (Result, error) {
	j.Sources = s.sources
	j.Backend = s.backend
	line, err := json.Marshal(j)
	if err != nil {
		return Result{}, err
	}
	if _, err := s.clientIn.Write(append(line, '\n')); err != nil {
		return Result{}, fmt.Errorf("the client is gone: %s", s.client.out)
	}
	select {
	case r, ok := <-s.answers:
		switch {
		case !ok:
			return r, fmt.Errorf("the client is gone: %s", s.client.out)
		case r.Error != "":
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-time.After(j.Warm + j.Window + time.Minute):
		return Result{}, errors.New("the client does not answer")
	}
}

func (s *Site) close() {
	for _, p := range []*Process{s.client, s.backendAt} {
		if p != nil {
			p.stop()
		}
	}
	for _, c := range []io.Closer{s.clientIn, s.backendIn} {
		if c != nil {
			c.Close()
		}
	}
	for _, c := range s.output {
		c.Close()
	}
	if s.nsProxy != nil {
		s.nsProxy.file.Close()
	}
}
