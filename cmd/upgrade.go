package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"sluice/admin"
	"sluice/internal/keeper"
	"sluice/internal/sys"
	"sluice/proxy"
)

const (
	// probeWithin is how long a program may take to answer before it is run in
	// the place of another.
	probeWithin = 5 * time.Second
	// pauseWithin is how long the workers may take to come to a safe point.
	pauseWithin = 5 * time.Second
)

// errUpgrading is said to who asks for a second upgrade.
var errUpgrading = errors.New("an upgrade is under way; it has an outcome some seconds after it has begun")

// upgrade begins to replace the running program by the one at a path, "" for the
// path that this one came from, and returns the number of the handover:
//
//	asked --> the program is tried --> workers pause --> this process ends
//	              |                                         |
//	            failed: nothing has changed        the keeper runs the new one
func (p *process) upgrade(path string) (int, error) {
	if p.life == nil || !p.life.kept {
		return 0, &admin.Unavailable{
			What:    "this process cannot hand its connections over to another program",
			Instead: "set runtime.survive_crash and restart; without it SIGTERM lets the connections end within runtime.shutdown_grace",
		}
	}
	if p.stopping.Load() {
		return 0, admin.ErrStopping
	}
	if path == "" {
		own, err := os.Executable()
		if err != nil {
			return 0, err
		}
		path = own
	}
	page := p.life.page
	if page.Upgrade() != 0 || p.upgrading.Swap(true) {
		return 0, errUpgrading
	}
	n := page.Record(keeper.Handover{At: time.Now(), Reason: keeper.Upgrade, Why: "trying " + path})
	p.log.Info("upgrade: trying the new program", zap.String("binary", path), zap.Int("handover", n))
	go func() {
		err := p.handOver(n, path)
		p.upgrading.Store(false)
		p.log.Error("upgrade: nothing has changed", zap.String("binary", path), zap.Int("handover", n), zap.Error(err))
		if h, ok := page.Handover(n); ok {
			h.Outcome, h.Why = keeper.Failed, err.Error()
			page.Amend(h)
		}
	}()
	return n, nil
}

// handOver ends this process for the program at path. It returns only an error.
func (p *process) handOver(n int, path string) error {
	program, err := sys.OpenProgram(path)
	if err != nil {
		return err
	}
	about, err := p.try(program)
	if err == nil {
		err = about.fits(path)
	}
	if err != nil {
		sys.Close(program)
		return err
	}
	p.reloading.Lock() // whatever is being put in force is so first, and nothing is after it
	if p.stopping.Swap(true) {
		p.reloading.Unlock()
		sys.Close(program)
		return admin.ErrStopping
	}
	p.log.Info("upgrade: handing over", zap.String("binary", path), zap.Int("handover", n),
		zap.String("version", about.Version), zap.Int64("connections", p.data.Stats().Active))
	late := time.AfterFunc(pauseWithin, func() { os.Exit(exitError) }) // which is survived
	defer late.Stop()
	p.life.page.Replace(program, n)
	p.data.Pause()
	p.tallies.Save()
	p.saveState(p.store.View())
	p.logs.close()
	os.Exit(exitOK)
	return nil
}

// try runs a program as one that has to say what it is and whether it accepts
// the configuration.
func (p *process) try(program int) (*probed, error) {
	text, err := p.ask(program, "successor")
	if err != nil {
		return nil, fmt.Errorf("the new program does not say what it is: %w", err)
	}
	about := &probed{}
	if err := json.Unmarshal(text, about); err != nil {
		return nil, fmt.Errorf("the new program is not sluice: it says %.60q", text)
	}
	if _, err := p.ask(program, "check", p.path); err != nil {
		return nil, fmt.Errorf("the new program does not accept the configuration: %w", err)
	}
	return about, nil
}

// ask runs a program and returns what it writes. An error is what it complains
// of. What is between sluice and systemd is not for it, but for the names of the
// sockets that it would get.
func (p *process) ask(program int, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), probeWithin)
	defer cancel()
	c := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", program), args...)
	c.WaitDelay = time.Second
	c.Env = append(ownEnvironment(), passedVar+"="+strings.Join(p.passed.names(), ":"))
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	err := c.Run()
	switch text := strings.TrimSpace(complaint.String()); {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no answer in %v", probeWithin)
	case err != nil && text != "":
		first, rest, _ := strings.Cut(text, "\n")
		if rest != "" {
			first += fmt.Sprintf(" (and %s)", count(strings.Count(rest, "\n")+1, "other fault"))
		}
		return nil, errors.New(first)
	}
	return out.Bytes(), err
}

// probed is what a program says of itself before it is run in the place of
// another.
type probed struct {
	Version string   `json:"version"`
	Page    int      `json:"page"`  // keeper.Version
	Book    int      `json:"book"`  // proxy.BookVersion
	Needs   []string `json:"needs"` // proxy.BookNeeds
	Keeps   []string `json:"keeps"` // proxy.BookKeeps; nil: one that does not say
}

// aboutThis is what this program says of itself.
func aboutThis() *probed {
	return &probed{thisBuild().version, keeper.Version, proxy.BookVersion(), proxy.BookNeeds(), proxy.BookKeeps()}
}

// fits says why the program at path cannot go on with what this one has.
func (b *probed) fits(path string) error {
	switch own := aboutThis(); {
	case b.Page != own.Page:
		return fmt.Errorf("%s cannot take over from this version: its handover is of version %d, this one's of %d", path, b.Page, own.Page)
	case b.Book != own.Book:
		return fmt.Errorf("%s cannot take over from this version: its connections are of version %d, this one's of %d", path, b.Book, own.Book)
	case lacking(b.Needs, own.Keeps) != "":
		return fmt.Errorf("%s cannot take over from this version: its connections need %s, which this one does not keep", path, lacking(b.Needs, own.Keeps))
	case b.Keeps != nil && lacking(own.Needs, b.Keeps) != "":
		return fmt.Errorf("%s cannot take over from this version: there would be no way back, it does not keep %s, which this one needs", path, lacking(own.Needs, b.Keeps))
	}
	return nil
}

// lacking are those of needs that are not among keeps.
func lacking(needs, keeps []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(needs), func(name string) bool { return slices.Contains(keeps, name) }), ", ")
}

// newProbeCommand answers the process that is about to hand over to this program.
func newProbeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "successor",
		Short:   "Say whether connections can be handed over to this program",
		Example: "  sluice successor",
		Hidden:  true,
		Args:    cobra.NoArgs,
		RunE: work(func(c *cobra.Command, _ []string) error {
			return json.NewEncoder(c.OutOrStdout()).Encode(aboutThis())
		}),
	}
}
