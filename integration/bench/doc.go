// Bench measures sluice against its peers: HAProxy, nginx, a plain Go proxy
// and the kernel itself, in network namespaces of its own.
//
//	go run ./integration/bench            everything, about a quarter of an hour
//	go run ./integration/bench --quick    the main rows, two to three minutes
//	go run ./integration/bench --list     what there is to choose from
//	go run ./integration/bench micro      the Go benchmarks beside the code
//
// It needs root for the namespaces. One binary is every process of it:
//
//	 driver ---- starts, asks, reckons, writes
//	   |  \________________________________________
//	   |  JSON lines          \                    \
//	+--v-----+   traffic   +---v---+   traffic   +--v------+
//	| client | ==========> | proxy | ==========> | backend |
//	+--------+             +-------+             +---------+
//	   reads the CPU clocks of all three where it counts its units
package main
