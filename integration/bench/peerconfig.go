package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Each peer at its best honest settings: as many threads as CPUs, no log,
// half-close kept, no limit that the work would meet. Of many backends all
// choose the one with the least connections.

// variant is sluice with settings other than those it is compared with: no
// access log, as the peers have none, and no admin listener.
type variant struct {
	path    string // of the program; "": the build of this checkout
	full    bool   // access log, metrics and keeper, as they are by default
	bare    bool   // none of these
	workers int    // and as many CPUs for the Go scheduler; 0: one for each CPU
}

func planSluice(v variant) func(Setup) Plan {
	return func(s Setup) Plan {
		program := v.path
		if program == "" {
			program = s.sluice
		}
		var b strings.Builder
		v.settings(&b, filepath.Join(s.dir, "log"))
		for _, r := range s.routes() {
			fmt.Fprintf(&b, "\n[listeners.%s]\nbind = %q\npool = %q\n", r.name, r.bind, r.name)
			fmt.Fprintf(&b, "\n[pools.%s]\nbackends = [%s]\n", r.name, quoted(r.backends))
			if s.quiet || len(r.backends) > 1 {
				fmt.Fprintf(&b, "[pools.%s.health]\ntype = \"none\"\n", r.name)
			}
		}
		file := filepath.Join(s.dir, "sluice.toml")
		p := Plan{file: file, text: b.String(), command: []string{program, "run", "--config", file}}
		if me, err := os.Executable(); err == nil && me == program {
			p.env = []string{asVar + "=sluice"}
		}
		if v.workers > 0 {
			p.env = append(p.env, fmt.Sprintf("GOMAXPROCS=%d", v.workers))
		}
		return p
	}
}

// settings writes the sections that are not about listeners and pools.
func (v variant) settings(b *strings.Builder, log string) {
	access := "off"
	if v.full {
		access = "all"
	}
	fmt.Fprintf(b, "[log]\nlevel = \"warn\"\naccess = %q\noutput = %q\n", access, log)
	if !v.full {
		b.WriteString("\n[admin]\nbind = \"\"\n")
	}
	switch {
	case v.bare:
		b.WriteString("\n[runtime]\nsurvive_crash = false\n")
	case v.workers > 0:
		fmt.Fprintf(b, "\n[runtime]\nworkers = %d\n", v.workers)
	}
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// spare is how many descriptors a peer needs beside those of connections.
const spare = 300

// haproxyPipes are the pipes that it may use at a time; by default it keeps
// room for one in four connections, which would leave less for connections.
const haproxyPipes = 400

func haproxyMost(files int) int { return (files - 2*haproxyPipes - spare) / 2 }

func haproxy(name, title string, splice bool, pipe int) *Peer {
	return &Peer{
		name: name, title: title, program: "haproxy", version: []string{"-v"}, most: haproxyMost,
		plan: func(s Setup) Plan {
			var b strings.Builder
			fmt.Fprintf(&b, "global\n  nbthread %d\n  maxconn %d\n  maxpipes %d\n", s.cpus, haproxyMost(s.files), haproxyPipes)
			if pipe > 0 {
				fmt.Fprintf(&b, "  tune.pipesize %d\n", pipe)
			}
			b.WriteString("\ndefaults\n  mode tcp\n")
			if splice { // splice-auto of 2.6 does not splice
				b.WriteString("  option splice-request\n  option splice-response\n")
			}
			fmt.Fprintf(&b, "  maxconn %d\n  backlog 16384\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n", haproxyMost(s.files))
			for _, r := range s.routes() {
				fmt.Fprintf(&b, "\nlisten %s\n  bind %s\n  balance leastconn\n", r.name, r.bind)
				check := " check"
				if s.quiet || len(r.backends) > 1 {
					check = ""
				}
				for i, at := range r.backends {
					fmt.Fprintf(&b, "  server b%d %s%s\n", i+1, at, check)
				}
			}
			file := filepath.Join(s.dir, "haproxy.cfg")
			return Plan{file: file, text: b.String(), command: []string{find("haproxy"), "-db", "-q", "-f", file}}
		},
	}
}

func nginx() *Peer {
	return &Peer{
		name: "nginx", title: "nginx stream", program: "nginx", version: []string{"-v"},
		plan: func(s Setup) Plan {
			var b strings.Builder
			if module := nginxModule(); module != "" {
				fmt.Fprintf(&b, "load_module %s;\n", module)
			}
			fmt.Fprintf(&b, `daemon off;
user root;
worker_processes auto;
worker_rlimit_nofile %d;
pid %s/pid;
error_log stderr crit;
events {
  worker_connections %d;
}
stream {
  access_log off;
  proxy_buffer_size 64k;
  proxy_half_close on;
  proxy_timeout 1h;
  proxy_connect_timeout 5s;
`, s.files, s.dir, s.files-spare)
			for _, r := range s.routes() {
				if len(r.backends) > 1 {
					fmt.Fprintf(&b, "  upstream %s {\n    zone %s 64m;\n    least_conn;\n", r.name, r.name)
					for _, at := range r.backends {
						fmt.Fprintf(&b, "    server %s;\n", at)
					}
					b.WriteString("  }\n")
					fmt.Fprintf(&b, "  server { listen %s reuseport backlog=16384; proxy_pass %s; }\n", r.bind, r.name)
					continue
				}
				fmt.Fprintf(&b, "  server { listen %s reuseport backlog=16384; proxy_pass %s; }\n", r.bind, r.backends[0])
			}
			b.WriteString("}\n")
			file := filepath.Join(s.dir, "nginx.conf")
			return Plan{file: file, text: b.String(),
				command: []string{find("nginx"), "-p", s.dir, "-c", file, "-e", "stderr"}}
		},
	}
}

// pen serves one listener a process.
func pen() *Peer {
	return &Peer{
		name: "pen", title: "pen", program: "pen", single: true,
		plan: func(s Setup) Plan {
			var b strings.Builder
			for _, r := range s.routes() {
				fmt.Fprintf(&b, "%s -f -r -O tcp_nodelay -t 5 -c 20000 -x 4000 %s %s &\n", find("pen"), r.bind, r.backends[0])
			}
			b.WriteString("wait\n")
			file := filepath.Join(s.dir, "pen.sh")
			return Plan{file: file, text: b.String(), command: []string{"/bin/sh", file}}
		},
	}
}

// nginxModule is the path of the stream module where a distribution keeps it
// apart; "" if there is none, or it is built in.
func nginxModule() string {
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"} {
		if path := dir + "/ngx_stream_module.so"; exists(path) {
			return path
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// planDNAT is the rule set with which the kernel alone does the work.
func planDNAT(s Setup) string {
	hook := "output"
	if s.veth {
		hook = "prerouting"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table ip bench {\n  chain to {\n    type nat hook %s priority -100;\n", hook)
	for i := range proxied {
		fmt.Fprintf(&b, "    ip daddr %s tcp dport %d dnat to %s\n", s.host, s.base+i, s.backend.of(i))
	}
	b.WriteString("  }\n}\n")
	return b.String()
}
