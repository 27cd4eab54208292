//go:build !race

package admin

const slowness = 1
