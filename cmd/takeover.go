package cmd

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/internal/keeper"
	"sluice/proxy"
	"sluice/state"
)

// probation is how long a new program must have served before it is taken for
// good. If it ends before that the one before it goes on.
const probation = 3 * time.Second

// takeOver begins to serve with a keeper at its back, and with the connections
// of the process before, if there was one.
func (p *process) takeOver() error {
	if p.life == nil {
		return nil
	}
	first := p.life.first()
	switch err := p.life.keep(p.data.BookFD()); {
	case err != nil && !first:
		return err
	case err != nil:
		p.log.Warn("a crash will cost the connections: there can be no keeper", zap.Error(err))
	}
	carried := p.data.Begin()
	pause := p.life.page.Serve()
	p.life.forget()
	if why := p.life.page.Reason(); first && why != "" {
		p.log.Error("started clean, the connections are lost: " + why)
	}
	if !first {
		go p.account(carried, pause)
	}
	return nil
}

// account says what the handover was that led to this process, in the log and in
// the history.
func (p *process) account(carried proxy.Carried, pause time.Duration) {
	page := p.life.page
	h, level := p.handover()
	h.Version, h.Connections, h.Reset, h.Pause = thisBuild().version, carried.Connections, carried.Reset, pause
	if h.Number == 0 {
		h.Number = page.Record(h)
	} else {
		page.Amend(h)
	}
	p.endLeftOver(h.Number)
	p.log.Log(level, "took over: "+h.Why,
		zap.Int("handover", h.Number),
		zap.Stringer("kind", h.Reason),
		zap.Int("connections", h.Connections),
		zap.Int("reset", h.Reset),
		zap.Strings("reset_why", carried.Why),
		zap.Float64("pause_ms", float64(pause.Microseconds())/1000),
		zap.String("version", h.Version),
		zap.Int("worker_pid", os.Getpid()))
	p.announce(saysStatus, fmt.Sprintf("serving; handover %d, %s carried: %s", h.Number, count(h.Connections, "connection"), h.Why))
	if h.Outcome != keeper.Running {
		page.Keep()
		return
	}
	time.Sleep(probation)
	h.Outcome = keeper.Done
	page.Amend(h)
	page.Keep()
	p.log.Info("upgraded", zap.Int("handover", h.Number), zap.String("version", h.Version))
}

// handover is what led to this process, and how loud that is.
func (p *process) handover() (keeper.Handover, zapcore.Level) {
	page := p.life.page
	if n := page.Upgrade(); n > 0 {
		h, ok := page.Handover(n)
		if !ok {
			h = keeper.Handover{Number: n, At: time.Now(), Reason: keeper.Upgrade}
		}
		if why, back := page.RolledBack(); back {
			h.Outcome, h.Why = keeper.Failed, "rolled back: the new program failed, "+why
			return h, zap.ErrorLevel
		}
		h.Outcome, h.Why = keeper.Running, "another program"
		return h, zap.InfoLevel
	}
	return keeper.Handover{At: time.Now(), Reason: keeper.Crash, Outcome: keeper.Done, Why: p.howItDied()}, zap.WarnLevel
}

// howItDied waits for the main process to say it, which gets to know when this
// process has begun already.
func (p *process) howItDied() string {
	late := time.After(time.Second)
	for {
		if status, ok := p.life.page.Predecessor(); ok {
			return howItDied(status)
		}
		select {
		case <-late:
			return "it died"
		case <-time.After(time.Millisecond):
		}
	}
}

// endLeftOver closes the accounts of upgrades that a crash has cut off.
func (p *process) endLeftOver(now int) {
	for _, h := range p.life.page.History() {
		if h.Number != now && h.Outcome == keeper.Running {
			h.Outcome, h.Why = keeper.Failed, "the process crashed before it began"
			p.life.page.Amend(h)
		}
	}
}

// remember keeps what is known of backends up to date until ctx is done.
func (p *process) remember(ctx context.Context) {
	for {
		view := p.store.View()
		p.saveState(view)
		if view.Wait(ctx, state.Healths, state.Ejections, state.Advices, state.Overrides) != nil {
			return
		}
		select {
		case <-time.After(saveEvery):
		case <-ctx.Done():
			p.saveState(p.store.View())
			return
		}
	}
}

// announce tells the main process, or what has started this one, how things are.
func (p *process) announce(word string, more ...any) {
	if p.life != nil {
		p.life.line.say(append([]any{word}, more...)...)
		return
	}
	tell(word, fmt.Sprint(more...))
}

// leave says that this process ends for good: a crash is not survived from here
// on, or what is to stop would begin anew.
func (p *process) leave() {
	if p.life != nil {
		p.life.page.Leave()
	}
	p.announce(saysStopping)
}

// mainPID is the process id to send signals to.
func (p *process) mainPID() int {
	if p.life != nil {
		return p.life.main
	}
	return os.Getpid()
}
