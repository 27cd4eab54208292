// Package keeper lets the descriptors of a process outlive it.
//
//	supervisor --starts--> worker  ==shares its descriptors with==  keeper
//	                         |                                        |
//	                        dies                  wakes, forks a copy of itself
//	                                                                  |
//	                       worker' <--runs the program again----------+
//	                         |
//	                       clones keeper', has adopted --> keeper ends --> worker' relays
//
// A keeper is a clone of the worker that shares its table of descriptors and
// nothing else (clone(2), CLONE_FILES). It has no goroutine, allocates nothing
// and makes raw system calls only; it sleeps until the worker has died, from
// whatever cause. The descriptors are then still open in the table, and the
// next process gets them: a copy of the keeper clears close-on-exec and runs the
// program. The keeper itself stays until that process says that it has adopted
// everything and has a keeper of its own, so a program that does not get that
// far is tried again, or the one before it is.
//
// What the three tell each other stands on the Page.
package keeper
