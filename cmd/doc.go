// Package cmd is the program: its commands, and the wiring of the parts that
// know nothing of each other.
//
//	           load
//	             |
//	signals -> serve -> control.Reload -> proxy
//	             |                          | Record, ConnectFailed, Notice
//	           health <---------------------+----> logs -> sink -> output
//
// Two goroutines obey signals, see signals.go: one stops the process, one does
// what is about files, a reload at a time.
package cmd
