package integration

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

func TestPostgreSQL(t *testing.T) {
	tools := testnet.PostgresPrograms(t, "initdb", "postgres", "psql", "pgbench")
	dir := testnet.Dir(t)
	data := filepath.Join(dir, "data")
	address := testnet.FreeAddress(t, "tcp4")
	host, port, _ := net.SplitHostPort(address)
	OutputOf(t, testnet.NotRoot(t, exec.Command(tools[0], "-D", data, "-U", "sluice", "-A", "trust", "-N", "--no-locale", "-E", "UTF8"), dir))
	server := exec.Command(tools[1], "-D", data, "-h", host, "-p", port, "-k", dir,
		"-c", "fsync=off", "-c", "max_wal_size=4GB", "-c", "max_connections=100")
	pg := RunCommand(t, testnet.NotRoot(t, server, dir))
	pg.AwaitAnswer(address)
	testnet.Eventually(t, patience, "the server accepts queries", func() bool {
		return exec.Command(tools[2], "-h", host, "-p", port, "-U", "sluice", "-c", "select 1", "postgres").Run() == nil
	})

	rows := 200_000
	if testnet.All() {
		rows = 1_000_000
	}
	overPaths(t, func(p Path) bool { return p.server == "tcp4" && p.ByProgram() }, func(t *testing.T, p Path) {
		front, _ := p.To(t, nil, address)
		psql := func(t *testing.T, at, sql string) string {
			h, p, _ := net.SplitHostPort(at)
			return strings.TrimSpace(Output(t, tools[2], "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1",
				"-h", h, "-p", p, "-U", "sluice", "-c", sql, "postgres"))
		}
		t.Run("pgbench", func(t *testing.T) {
			h, pt, _ := net.SplitHostPort(front)
			args := []string{"-h", h, "-p", pt, "-U", "sluice"}
			Output(t, tools[3], append(args, "-i", "-s", "3", "-q", "postgres")...)
			out := Output(t, tools[3], append(args, "-c", "10", "-j", "2", "-t", "100", "postgres")...)
			if !strings.Contains(out, "1000/1000") || strings.Contains(out, "ERROR") {
				t.Errorf("pgbench says\n%s", out)
			}
			out = Output(t, tools[3], append(args, "-C", "-S", "-c", "10", "-j", "2", "-t", "20", "postgres")...)
			if !strings.Contains(out, "200/200") {
				t.Errorf("pgbench with a connection for each transaction says\n%s", out)
			}
		})
		t.Run("COPY", func(t *testing.T) {
			file := filepath.Join(testnet.Dir(t), "rows")
			sum := "select count(*) || ' ' || md5(string_agg(md5(t), '' order by i)) from rows"
			psql(t, address, fmt.Sprintf(`drop table if exists rows; create table rows as
				select i, repeat(md5(i::text), 4) as t from generate_series(1, %d) i`, rows))
			want := psql(t, address, sum)
			psql(t, front, `\copy rows to '`+file+`'`)
			psql(t, front, `truncate rows`)
			psql(t, front, `\copy rows from '`+file+`'`)
			if got := psql(t, address, sum); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	})
}
