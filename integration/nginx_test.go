package integration

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sluice/internal/testnet"
)

// large is the size of a large transfer: 1 GiB where nothing may be skipped.
func large() int64 {
	if testnet.All() {
		return 1 << 30
	}
	return 64 << 20
}

// nginx serves a directory, which PUT may write to.
func nginx(t *testing.T) (address, root string) {
	t.Helper()
	root = testnet.Dir(t)
	address = testnet.FreeAddress(t, "tcp4")
	nginxHTTP(t, address, "", fmt.Sprintf("root %s; dav_methods PUT;", root))
	return address, root
}

func TestNginx(t *testing.T) {
	tools := testnet.Need(t, "nginx", "curl", "wrk")
	curl, wrk := tools[1], tools[2]
	address, root := nginx(t)
	testnet.Must(t, "write a page", os.WriteFile(filepath.Join(root, "page"), bytes.Repeat([]byte("page "), 200), 0o644))
	download := filepath.Join(root, "download")
	testnet.Must(t, "write a large file", writeStream(download, 9, large()))

	overPaths(t, func(p Path) bool { return p.server == "tcp4" && p.ByProgram() }, func(t *testing.T, p Path) {
		front, proxy := p.To(t, nil, address)
		url := "http://" + front

		t.Run("keep-alive", func(t *testing.T) {
			out := Output(t, curl, "-sS", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null",
				"-w", "%{http_code}/%{num_connects} ", url+"/page", url+"/page", url+"/page")
			if out != "200/1 200/0 200/0 " {
				t.Errorf("got %q, want three answers over one connection", out)
			}
		})
		t.Run("download", func(t *testing.T) {
			c := exec.Command(curl, "-sS", "--fail", url+"/download")
			r, err := c.StdoutPipe()
			testnet.Must(t, "pipe", err)
			testnet.Must(t, "start curl", c.Start())
			err = testnet.Stream(9).Receive(r, large())
			if e := c.Wait(); err != nil || e != nil {
				t.Errorf("got %v, curl: %v", err, e)
			}
		})
		t.Run("upload", func(t *testing.T) {
			out := Output(t, curl, "-sS", "-H", "Expect:", "-w", "%{http_code}", "-T", download, url+"/upload")
			if !strings.HasSuffix(out, "201") && !strings.HasSuffix(out, "204") {
				t.Errorf("got %q", out)
			}
			f, err := os.Open(filepath.Join(root, "upload"))
			testnet.Must(t, "open what was uploaded", err)
			defer f.Close()
			testnet.Must(t, "what was uploaded", testnet.Stream(9).Receive(f, large()))
		})
		t.Run("wrk", func(t *testing.T) {
			before := 0
			if proxy != nil {
				before = len(proxy.All(Connections))
			}
			out := Output(t, wrk, "-t2", "-c50", "-d3s", url+"/page")
			m := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(out)
			if m == nil || strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") {
				t.Fatalf("wrk says\n%s", out)
			}
			if n, _ := strconv.Atoi(m[1]); n < 1000 {
				t.Errorf("only %d requests in 3 s", n)
			}
			if proxy != nil {
				proxy.Signal(0)
				if n := len(proxy.All(Connections)) - before; n > 200 {
					t.Errorf("%d connections for 50 clients: they were not kept alive", n)
				}
			}
		})
	})
}

// writeStream makes a file of the first n bytes of a stream.
func writeStream(path string, s testnet.Stream, n int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, s.Reader(n))
	return err
}
