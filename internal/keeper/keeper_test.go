package keeper

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/testnet"
)

func TestAConnectionSurvivesEveryKindOfDeath(t *testing.T) {
	for _, preempt := range []string{"0", "1"} {
		for name, order := range map[string]byte{"kill": 'k', "panic": 'p', "fatal error": 'f', "exit": 'u'} {
			t.Run(name+", asyncpreemptoff="+preempt, func(t *testing.T) {
				s := play(t, "serves", "GODEBUG=asyncpreemptoff="+preempt)
				first, attempt := s.ask()
				if attempt != 0 {
					t.Fatalf("attempt %d serves at first, want 0", attempt)
				}
				s.say(order)
				second, attempt := s.ask()
				if second == first || attempt != 1 {
					t.Errorf("process %d, attempt %d serves after %d, want another, attempt 1", second, attempt, first)
				}
			})
		}
	}
}

func TestWhatIsToldToLeaveEnds(t *testing.T) {
	s := play(t, "serves")
	s.ask()
	s.say('l')
	if _, err := s.lines.ReadByte(); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("the connection lives on: %v", err)
	}
}

func TestThreeShortDeathsAreALoop(t *testing.T) {
	s := play(t, "serves")
	for want := range 3 {
		if _, got := s.ask(); got != want {
			t.Fatalf("attempt %d serves, want %d", got, want)
		}
		s.say('k')
	}
	if _, err := s.lines.ReadByte(); err == nil {
		t.Error("a fourth process serves")
	}
	if got := s.page.Phase(); got != Looping {
		t.Errorf("phase %d, want Looping", got)
	}
}

func TestDeathsOfProcessesThatLastedAreNoLoop(t *testing.T) {
	s := play(t, "serves")
	for want := range 4 {
		if _, got := s.ask(); got != want {
			t.Fatalf("attempt %d serves, want %d", got, want)
		}
		s.last()
		s.say('k')
	}
	if _, got := s.ask(); got != 4 {
		t.Errorf("attempt %d serves, want 4", got)
	}
}

func TestAProgramThatNeverComesUpIsALoop(t *testing.T) {
	s := play(t, "dies")
	s.ask()
	s.last()
	s.say('k')
	if _, err := s.lines.ReadByte(); err == nil {
		t.Error("somebody serves")
	}
	if s.page.Phase() != Looping || s.page.attempt != Loop {
		t.Errorf("phase %d after %d attempts, want Looping after %d", s.page.Phase(), s.page.attempt, Loop)
	}
}

func TestAProgramThatFailsGivesWayToTheOneBefore(t *testing.T) {
	for role, why := range map[string]string{
		"dies once":  "it ended before it had taken over",
		"hangs once": "it had not taken over when its time was over",
		"dies soon":  "it ended soon after it had taken over",
	} {
		t.Run(role, func(t *testing.T) {
			s := play(t, role)
			s.ask()
			s.say('u')
			if _, attempt := s.ask(); attempt != 2 {
				t.Errorf("attempt %d serves, want 2", attempt)
			}
			if got, is := s.page.RolledBack(); !is || got != why {
				t.Errorf("rolled back: %v, since %q, want %q", is, got, why)
			}
			if got := s.page.Upgrade(); got != 1 {
				t.Errorf("upgrade %d is under way, want 1", got)
			}
			s.page.Keep()
			if _, still := s.page.RolledBack(); still || s.page.Upgrade() != 0 {
				t.Error("the upgrade is not over")
			}
			s.say('k')
			if _, attempt := s.ask(); attempt != 3 {
				t.Errorf("attempt %d serves after a kill, want 3", attempt)
			}
		})
	}
}

// A process that dies between having a keeper and being the keeper's to keep is
// survived, and the page names at every moment who will see to that.
func TestBetweenTwoKeepersTheFirstOneCounts(t *testing.T) {
	s := play(t, "dies with two keepers")
	s.ask()
	s.last()
	first := s.page.Keeper()
	s.say('k')
	testnet.Eventually(t, 30*time.Second, "there is another keeper", func() bool { return s.page.Keeper() != first })
	second := s.page.Keeper()
	if _, err := unix.Wait4(second, nil, 0, nil); err != nil {
		t.Fatalf("wait for the second keeper: %v", err)
	}
	if s.page.Holder() != first {
		t.Errorf("process %d is to see to it, want %d", s.page.Holder(), first)
	}
	unix.Kill(first, unix.SIGCONT)
	if _, attempt := s.ask(); attempt != 2 {
		t.Errorf("attempt %d serves, want 2", attempt)
	}
	if pid, err := unix.Wait4(first, nil, unix.WNOHANG, nil); pid != first || s.page.Holder() != 0 {
		t.Errorf("the first keeper was not relieved: wait says %d, %v; the page %d", pid, err, s.page.Holder())
	}
	s.say('k')
	if _, attempt := s.ask(); attempt != 3 {
		t.Errorf("attempt %d serves, want 3", attempt)
	}
}

func TestFiftyHandoversLeaveNothingBehind(t *testing.T) {
	s := play(t, "serves")
	s.ask()
	// The first handover brings the fallback, and leaves behind whatever the
	// test itself was started with.
	s.say('u')
	pid, _ := s.ask()
	before := descriptors(t, pid)
	for range 49 {
		s.say('u')
		pid, _ = s.ask()
	}
	if after := descriptors(t, pid); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// The keeper must not hold on to the memory that the worker had when it was
// cloned.
func TestTheKeeperIsSmall(t *testing.T) {
	s := play(t, "serves")
	s.ask()
	s.say('d')
	s.ask()
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.page.Keeper()))
	if err != nil {
		t.Fatal(err)
	}
	var private int
	for _, line := range strings.Split(string(rollup), "\n") {
		var kb int
		if n, _ := fmt.Sscanf(line, "Private_Dirty: %d", &kb); n == 1 {
			private = kb
		}
	}
	t.Logf("the keeper has %d KiB of its own", private)
	if private > 1024 {
		t.Errorf("the keeper has %d KiB of its own, want less than 1024:\n%s", private, rollup)
	}
	if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.page.Keeper())); string(name) != Name+"\n" {
		t.Errorf("the keeper is called %q", name)
	}
}

func TestOnlyAPageIsAPage(t *testing.T) {
	fd, err := unix.MemfdCreate("other", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := OpenPage(fd); err == nil {
		t.Error("an empty file is taken")
	}
	if err := unix.Ftruncate(fd, 1<<16); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPage(fd); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("a file of zeroes: %v", err)
	}
}

func TestHistoryKeepsTheLatest(t *testing.T) {
	p, err := NewPage()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const last = historySize + 5
	for i := range last {
		h := Handover{At: time.Unix(int64(i), 0), Reason: Upgrade, Why: strings.Repeat("w", 300), Version: "1.2", Connections: i + 1}
		if n := p.Record(h); n != i+1 {
			t.Fatalf("number %d, want %d", n, i+1)
		}
	}
	h, ok := p.Handover(last)
	if !ok || h.Outcome != Running {
		t.Fatalf("the last one is %+v", h)
	}
	h.Outcome = Done
	p.Amend(h)
	list := p.History()
	if len(list) != historySize || list[historySize-1].Outcome.String() != "done" || list[historySize-1].Connections != last {
		t.Errorf("%d entries, the last %+v", len(list), list[len(list)-1])
	}
	first := list[0]
	if first.Number != 6 || first.Connections != 6 || first.Reason.String() != "upgrade" || len(first.Why) != 191 || first.Version != "1.2" {
		t.Errorf("the oldest entry is %+v", first)
	}
	if _, ok := p.Handover(5); ok {
		t.Error("the history has more than it can hold")
	}
}
