// Bench measures sluice against its peers: HAProxy, nginx, a plain Go proxy
// and the kernel itself, in network namespaces of its own.
//
//	go run ./integration/bench            everything, in less than 25 minutes, and the page
//	go run ./integration/bench --resume   the rest of a run that was cut short
//	go run ./integration/bench --merge --work mixed,idle    some of it, among the rest of the last run
//	go run ./integration/bench --quick    the main rows, about five minutes
//	go run ./integration/bench --list     what there is to choose from, and how long it takes
//	go run ./integration/bench page       docs/benchmarks.md anew out of the last run
//	go run ./integration/bench micro      the Go benchmarks beside the code
//
// It needs root for the namespaces. Peers that are not installed are left out.
// One of them, floor, is a C program that makes the system calls of sluice and
// does nothing else. One binary is every process of the rest:
//
//	 driver ---- starts, asks, reckons, writes
//	   |  \________________________________________
//	   |  JSON lines          \                    \
//	+--v-----+   traffic   +---v---+   traffic   +--v------+
//	| client | ==========> | proxy | ==========> | backend |
//	+--------+             +-------+             +---------+
//	   reads the CPU clocks of all three where it counts its units
package main
