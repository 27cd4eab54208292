// Package cmd is the program: its commands, and the wiring of the parts that
// know nothing of each other.
//
//	        config.Load
//	             |
//	signals -> serve -> control.Reload -> proxy
//	             |                          | Record, Notice
//	           health <---- ConnectFailed --+----> logs -> sink -> output
//
// Everything that happens to a running process passes through one goroutine,
// the loop in serve.go.
package cmd
