package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"sluice/admin"
	"sluice/config"
	"sluice/internal/keeper"
	"sluice/internal/sys"
	"sluice/proxy"
	"sluice/state"
)

// lifeline is what a worker process has to do with those before and after it. A
// process that does not survive its crashes has none.
type lifeline struct {
	page      *keeper.Page
	line      *line
	main      int         // process id of the main process
	env       []string    // of the next worker process
	past      *proxy.Past // what the one before it has left; nil: it is the first
	book      int         // descriptor of that
	inherited []int       // descriptors that are the data plane's to claim or close
	passed    passed
	kept      bool // there is a keeper
}

// openLifeline finds what the environment and the descriptors of a worker process
// say of others. It is called once, before anything else is opened.
func openLifeline() (*lifeline, error) {
	nameProcess()
	number, err := strconv.Atoi(os.Getenv(keeper.Env))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keeper.Env, err)
	}
	l := &lifeline{main: os.Getppid(), env: os.Environ(), book: -1}
	for _, name := range []string{roleVar, keeper.Env} {
		_ = os.Unsetenv(name) // not for the programs that this one runs
	}
	came, err := proxy.Inherited()
	if err != nil {
		return nil, err
	}
	if l.page, err = keeper.OpenPage(number); err != nil {
		return nil, err
	}
	l.passed = passedOn()
	keeps := append(l.page.Keeps(), l.passed.descriptors()...)
	for _, fd := range came {
		if !slices.Contains(keeps, fd) {
			l.inherited = append(l.inherited, fd)
			continue
		}
		sys.CloseOnExec(fd)
	}
	if l.line, err = newLine(l.page.Control()); err != nil {
		return nil, err
	}
	l.line.say(saysHello, os.Getpid())
	if !l.page.First() {
		l.book = l.page.Book()
		if l.past, err = proxy.OpenPast(l.book); err != nil {
			return nil, fmt.Errorf("what the worker process before this one has left: %w", err)
		}
	}
	return l, nil
}

// first reports whether there is nothing to take over.
func (l *lifeline) first() bool { return l == nil || l.past == nil }

// keep starts the keeper. When it returns, descriptors that were taken over are
// this process's alone.
func (l *lifeline) keep(book int) error {
	err := keeper.Start(keeper.Options{Page: l.page, Book: book, Supervisor: l.main, Args: os.Args, Env: l.env})
	l.kept = err == nil
	return err
}

// forget gives back what is left of the process before.
func (l *lifeline) forget() {
	if l.past != nil {
		l.past.Close()
		sys.Close(l.book)
		l.past = nil
	}
}

// What is kept beside the connections.
const (
	configBlob  = "config"
	stateBlob   = "state"
	talliesBlob = "tallies"
)

// loader is how the configuration comes to a process that o describes: after a
// crash it is what was in force, whatever the file says by now, and after an
// upgrade it is the file, which the new program has been asked about.
func (l *lifeline) loader(o serveOptions) func(string) (*config.Config, error) {
	if o.config != nil {
		return func(string) (*config.Config, error) { return o.config, nil }
	}
	if l.first() {
		return o.read
	}
	if _, back := l.page.RolledBack(); l.page.Phase() == keeper.Upgrading && !back {
		return o.read
	}
	return func(path string) (*config.Config, error) {
		cfg := &config.Config{}
		if err := json.Unmarshal(l.past.Blob(configBlob), cfg); err != nil {
			return o.read(path)
		}
		return cfg, nil
	}
}

// knowledge is what is known of backends and what was ordered about them.
type knowledge struct {
	Healths     []*state.Health
	Ejections   []*state.Ejection
	Advices     []*state.Advice
	Overrides   []*state.Override
	Transitions []admin.Transition // the latest first
}

// restore puts what was known into the store, and returns the rest of it: nil if
// the process before died so early that it had kept nothing.
func (l *lifeline) restore(store *state.Store) (*knowledge, error) {
	text := l.past.Blob(stateBlob)
	if text == nil {
		return nil, nil
	}
	k := &knowledge{}
	if err := json.Unmarshal(text, k); err != nil {
		return nil, err
	}
	change := store.Change()
	defer change.Abort()
	for _, h := range k.Healths {
		change.SetHealth(h)
	}
	for _, e := range k.Ejections {
		change.SetEjection(e)
	}
	for _, a := range k.Advices {
		change.SetAdvice(a)
	}
	for _, o := range k.Overrides {
		change.SetOverride(o)
	}
	change.Commit()
	return k, nil
}

// tally is what has been counted so far.
func (p *process) tally() *admin.Tallies {
	t := admin.NewTallies()
	if p.life.first() {
		return t
	}
	if text := p.life.past.Blob(talliesBlob); text != nil {
		if err := t.Restore(text); err != nil {
			p.log.Error("metrics begin at zero: what the process before counted is lost", zap.Error(err))
		}
	}
	return t
}

// saveConfig keeps the configuration in force.
func (p *process) saveConfig(cfg *config.Config) {
	if p.life != nil {
		p.save(configBlob, cfg)
	}
}

// saveState keeps what is known now.
func (p *process) saveState(view *state.View) {
	p.save(stateBlob, knowledge{
		slices.Collect(view.AllHealths()), slices.Collect(view.AllEjections()), slices.Collect(view.AllAdvices()), slices.Collect(view.AllOverrides()),
		p.admin.Remembered(),
	})
}

func (p *process) save(name string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		p.log.Error("a crash would lose what is known", zap.String("of", name), zap.Error(err))
		return
	}
	p.saveBlob(name, text)
}

func (p *process) saveBlob(name string, text []byte) {
	if err := p.data.SaveBlob(name, text); err != nil {
		p.log.Error("a crash would lose what is known", zap.String("of", name), zap.Error(err))
	}
}

// saveEvery is the least time between two savings: a storm of transitions is
// kept as one.
const saveEvery = 20 * time.Millisecond
