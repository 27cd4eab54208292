package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
	"sluice/config"
)

// answerWithin is how long a command waits for an answer. A reload waits for
// disks.
const answerWithin = time.Minute

// unanswered says that no process could be asked.
type unanswered struct{ error }

// client asks a running process.
type client struct {
	http  *http.Client
	where string // as an operator writes it
	base  string
	token string
}

// adminFlags gives c the flags that say where the running process is. What it
// returns finds it.
func adminFlags(c *cobra.Command) func() (*client, error) {
	file := configFlag(c)
	f := c.Flags()
	socket := f.String("socket", "", "the `path` of the process's admin.socket")
	at := f.String("url", "", "the `address` of its API, such as http://127.0.0.1:9901")
	token := f.String("token-file", "", "a `file` with its token")
	c.MarkFlagsMutuallyExclusive("socket", "url")
	return func() (*client, error) {
		switch {
		case *socket != "":
			return newClient(config.Admin{Socket: *socket}, "", *token)
		case *at != "":
			return newClient(config.Admin{}, *at, *token)
		}
		a, err := adminOf(file(), c.Flags().Changed("config"))
		if err != nil {
			return nil, err
		}
		return newClient(a, "", *token)
	}
}

// question is what a command asks a running process: whom, and how the answer is
// printed, are its flags.
type question struct {
	find   func() (*client, error)
	asJSON *bool
}

// newQuestion gives c those flags.
func newQuestion(c *cobra.Command) question { return question{adminFlags(c), jsonFlag(c)} }

// ask sends a request and prints the answer: as it came, or as print does for
// people, once it is in into.
func (q question) ask(c *cobra.Command, method, path string, body, into any, print func(io.Writer) error) error {
	to, err := q.find()
	if err != nil {
		return err
	}
	text, err := to.ask(method, path, body, into)
	if err != nil {
		return err
	}
	if *q.asJSON {
		_, err = c.OutOrStdout().Write(text)
		return err
	}
	return print(c.OutOrStdout())
}

// adminOf is what a configuration says of the API. A file that nobody named
// need not be there: a process with another one answers at the default address.
func adminOf(path string, named bool) (config.Admin, error) {
	_, inEnvironment := os.LookupEnv(configVariable)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !named && !inEnvironment {
		at, err := config.ParseBind(config.DefaultAdmin)
		return config.Admin{Bind: at}, err
	}
	cfg, err := config.Load(path, os.LookupEnv)
	if err != nil {
		return config.Admin{}, err
	}
	if cfg.Admin.Bind.TCP.IsValid() || cfg.Admin.Socket != "" {
		return cfg.Admin, nil
	}
	return config.Admin{}, fmt.Errorf("%s: the process has no admin API: set admin.bind or admin.socket, or say where it is with --socket or --url", path)
}

// newClient makes a client for what a configuration says, or for a URL.
func newClient(a config.Admin, at, tokenFile string) (*client, error) {
	c := &client{http: &http.Client{Timeout: answerWithin}, where: at, base: strings.TrimSuffix(at, "/")}
	to := &http.Transport{}
	c.http.Transport = to
	switch {
	case at != "":
		if u, err := url.Parse(at); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("--url %s: expected an address such as http://%s", at, config.DefaultAdmin)
		}
	case a.Socket != "":
		c.where, c.base = "unix:"+a.Socket, "http://localhost"
		to.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", a.Socket)
		}
	default:
		c.where = reachable(a.Bind.TCP.String())
		if a.Bind.TCP.Port() == 0 {
			return nil, errors.New("admin.bind lets the kernel choose the port: say where the process is with --url or --socket")
		}
		c.base = "http://" + c.where
	}
	if tokenFile == "" && a.Socket == "" {
		tokenFile = a.TokenFile
	}
	if tokenFile != "" {
		text, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		c.token = strings.TrimSpace(string(text))
	}
	return c, nil
}

// ask sends a request; body and into may be nil. What it returns is the answer
// as it came.
func (c *client) ask(method, path string, body, into any) ([]byte, error) {
	return c.askIn(context.Background(), method, path, body, into)
}

func (c *client) askIn(ctx context.Context, method, path string, body, into any) ([]byte, error) {
	r, err := c.send(ctx, c.http, method, path, body)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, &unanswered{fmt.Errorf("%s: the answer was cut short: %w", c.where, plainly(err))}
	}
	if r.StatusCode >= 300 {
		return got, saysNo(c.where, r, got)
	}
	if into == nil {
		return got, nil
	}
	if err := json.Unmarshal(got, into); err != nil {
		return got, &unanswered{fmt.Errorf("%s is not a sluice: its answer is not the expected JSON", c.where)}
	}
	return got, nil
}

// send sends a request by a client whose patience is its own.
func (c *client) send(ctx context.Context, by *http.Client, method, path string, body any) (*http.Response, error) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	q, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		q.Header.Set("Authorization", "Bearer "+c.token)
	}
	r, err := by.Do(q)
	if err != nil {
		return nil, &unanswered{fmt.Errorf("no sluice answers at %s: %w", c.where, plainly(err))}
	}
	return r, nil
}

// saysNo makes an error of an answer that refuses.
func saysNo(where string, r *http.Response, text []byte) error {
	var no admin.Refused
	if json.Unmarshal(text, &no) != nil || no.Error == "" {
		return &unanswered{fmt.Errorf("%s is not a sluice: it answers %s", where, r.Status)}
	}
	lines := append(no.Faults, no.Error)
	if no.Instead != "" {
		lines[len(lines)-1] += "; " + no.Instead
	}
	return errors.New(strings.Join(lines, "\n"))
}

// plainly is an error of the network without the request it is about.
func plainly(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return fmt.Errorf("nothing came within %v", answerWithin)
		}
		err = u.Err
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

// reachable is an address to connect to for one that was listened at: of all
// addresses it is the loopback one.
func reachable(bound string) string {
	a, err := netip.ParseAddrPort(bound)
	if err != nil || !a.Addr().IsUnspecified() {
		return bound
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()).String()
}
