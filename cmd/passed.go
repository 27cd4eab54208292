package cmd

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"sluice/config"
	"sluice/internal/sys"
)

// passed are the listening sockets that systemd, or whatever has started this
// process, opened before and passed (sd_listen_fds_with_names(3)). A listener asks
// for those of a name with bind = "fd:NAME". They stay open for the whole life of
// the balancer, with the same numbers in each worker process: what a listener
// accepts from is a copy.
type passed []passedSocket

type passedSocket struct {
	name string
	fd   int // as a number alone: an os.File would have Go wait for clients as well
}

// passedVar has the names of the sockets that the main process passes on, from
// passedFD on, with colons between them.
const passedVar = "SLUICE_SOCKETS"

// passedBySystemd are those that the first process got.
func passedBySystemd() (p passed) {
	const start = 3 // SD_LISTEN_FDS_START
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // not for the programs that this one runs
	}
	if pid != os.Getpid() {
		return nil
	}
	for i := range n {
		s := passedSocket{fmt.Sprint("LISTEN_FD_", start+i), start + i}
		if i < len(names) && names[i] != "" {
			s.name = names[i]
		}
		sys.CloseOnExec(s.fd)
		p = append(p, s)
	}
	return p
}

// passedOn are those that a worker process got from the main process, or has from
// the worker process before it.
func passedOn() (p passed) {
	names := os.Getenv(passedVar)
	_ = os.Unsetenv(passedVar) // not for the programs that this one runs
	if names == "" {
		return nil
	}
	for i, name := range strings.Split(names, ":") {
		p = append(p, passedSocket{name: name, fd: passedFD + i})
	}
	return p
}

func (p passed) names() (all []string) {
	for _, s := range p {
		all = append(all, s.name)
	}
	return all
}

func (p passed) descriptors() (all []int) {
	for _, s := range p {
		all = append(all, s.fd)
	}
	return all
}

// env tells a worker process what it gets.
func (p passed) env() []string {
	if len(p) == 0 {
		return nil
	}
	return []string{passedVar + "=" + strings.Join(p.names(), ":")}
}

// find puts in place of each bind "fd:NAME" the sockets of that name.
func (p passed) find(c *config.Config) error {
	var missing []error
	for i := range c.Listeners {
		l := &c.Listeners[i]
		var bind []config.Address
		for _, a := range l.Bind {
			if a.Socket == "" {
				bind = append(bind, a)
				continue
			}
			found, err := p.called(a.Socket)
			if err != nil {
				missing = append(missing, fmt.Errorf("listeners.%s.bind: %v: %w", l.Name, a, err))
			}
			bind = append(bind, found...)
		}
		l.Bind = bind
	}
	return errors.Join(missing...)
}

// called are the sockets of a name, with where they listen.
func (p passed) called(name string) (all []config.Address, err error) {
	for _, s := range p {
		if s.name != name {
			continue
		}
		if !sys.Accepts(s.fd) {
			return nil, fmt.Errorf("descriptor %d is not a stream socket that listens (ListenStream= without Accept=)", s.fd)
		}
		local, e := sys.LocalAddr(s.fd)
		if e != 0 {
			return nil, fmt.Errorf("descriptor %d: %w", s.fd, e)
		}
		all = append(all, config.Address{TCP: local.AddrPort(), Unix: local.Path(), Socket: name, FD: s.fd})
	}
	if all == nil {
		return nil, p.knows(name)
	}
	return all, nil
}

// knows says what is wrong with a name that nobody has passed.
func (p passed) knows(name string) error {
	names := p.names()
	switch {
	case slices.Contains(names, name):
		return nil
	case len(p) == 0:
		return errors.New("no socket was passed to this process (see systemd.socket)")
	}
	return fmt.Errorf("no socket of this name was passed, but %s", strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", "))
}

// knowsAll is find for a program that is asked before it runs in the place of
// another: it is told the names, and has not got the sockets. One that an operator
// asks is told nothing, and takes every name.
func knowsAll(c *config.Config) error {
	if _, told := os.LookupEnv(passedVar); !told {
		return nil
	}
	p := passedOn()
	var missing []error
	for _, l := range c.Listeners {
		for _, a := range l.Bind {
			if a.Socket == "" {
				continue
			}
			if err := p.knows(a.Socket); err != nil {
				missing = append(missing, fmt.Errorf("listeners.%s.bind: %v: %w", l.Name, a, err))
			}
		}
	}
	return errors.Join(missing...)
}

// unused are the names that no listener asks for.
func (p passed) unused(c *config.Config) (names []string) {
	for _, name := range p.names() {
		if !slices.ContainsFunc(c.Listeners, func(l config.Listener) bool {
			return slices.ContainsFunc(l.Bind, func(a config.Address) bool { return a.Socket == name })
		}) {
			names = append(names, name)
		}
	}
	return names
}

// read is load, and finds the sockets that were passed.
func (o serveOptions) read(path string) (*config.Config, error) {
	c, err := o.load(path)
	if err == nil {
		err = o.passed.find(c)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}
