package main

import (
	"maps"
	"slices"
	"testing"
)

func TestCountersAreRead(t *testing.T) {
	all, calls := parsePerf(`# started on Mon
120000;;raw_syscalls:sys_enter;2000;100.00;;
60000;;syscalls:sys_enter_splice;2000;100.00;;
<not counted>;;syscalls:sys_enter_futex;0;0.00;;
`)
	if want := map[string]float64{"splice": 60000}; all != 120000 || !maps.Equal(calls, want) {
		t.Errorf("perf: got %v, %v", all, calls)
	}
	all, calls = parseStrace(`strace: Process 7 attached
     calls syscall
---------- ----------------
       300 epoll_wait
       100 splice
---------- ----------------
       400 total
`)
	if want := map[string]float64{"epoll_wait": 300, "splice": 100}; all != 400 || !maps.Equal(calls, want) {
		t.Errorf("strace: got %v, %v", all, calls)
	}
	if got, want := most(calls, 1), []string{"epoll_wait"}; !slices.Equal(got, want) {
		t.Errorf("the most frequent: got %v, want %v", got, want)
	}
}
