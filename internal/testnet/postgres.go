package testnet

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// PostgresPrograms finds the programs where Debian keeps them, or on PATH.
func PostgresPrograms(tb testing.TB, names ...string) []string {
	tb.Helper()
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range dirs {
		var found []string
		for _, n := range names {
			if _, err := os.Stat(filepath.Join(dir, n)); err == nil {
				found = append(found, filepath.Join(dir, n))
			}
		}
		if len(found) == len(names) {
			return found
		}
	}
	return Need(tb, names...)
}

// NotRoot makes a command run as an ordinary user, as PostgreSQL demands, and
// gives that user the directory.
func NotRoot(tb testing.TB, c *exec.Cmd, dir string) *exec.Cmd {
	tb.Helper()
	c.Dir = dir
	if os.Getuid() != 0 {
		return c
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	Must(tb, "find an ordinary user", err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	Must(tb, "chown", os.Chown(dir, uid, gid))
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return c
}
