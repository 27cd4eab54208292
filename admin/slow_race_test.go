//go:build race

package admin

// slowness is what the race detector makes of times.
const slowness = 10
