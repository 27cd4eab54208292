package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// floorSource is the fair floor: the system calls that sluice makes, by a C
// program that does nothing else.
//
//go:embed floor/floor.c
var floorSource string

// compiler is what the floor is made with.
const compiler = "gcc"

// makeFloor compiles the floor into dir and returns its path.
func makeFloor(dir string) (string, error) {
	source, program := filepath.Join(dir, "floor.c"), filepath.Join(dir, "floor")
	if err := os.WriteFile(source, []byte(floorSource), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command(find(compiler), "-O2", "-Wall", "-Werror", "-pthread", "-o", program, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", compiler, err, strings.TrimSpace(string(out)))
	}
	return program, nil
}

// planFloor runs it with as many threads as sluice has workers.
func planFloor(s Setup) Plan {
	p := Plan{
		text:    "integration/bench/floor/floor.c: the system calls of sluice and nothing else\n",
		command: []string{s.floor, strconv.Itoa(s.cpus)},
	}
	for _, r := range s.routes() {
		p.command = append(p.command, r.bind, r.backends[0])
	}
	return p
}
