// Command pictures takes the pictures of the dashboard that the documentation
// shows: a balancer, backends of which one is down and one is drained, some
// minutes of varied traffic, and a headless Chromium. It needs root, for a
// network namespace of its own, and ip and chromium.
//
//	go run ./integration/pictures -after 6m -into docs/dashboard
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"sluice/cmd"
)

const asVar = "SLUICE_PICTURES_AS" // what this process is

func main() {
	var err error
	switch os.Getenv(asVar) {
	case "sluice":
		os.Exit(cmd.Main())
	case "inside":
		err = inside()
	default:
		err = again(syscall.CLONE_NEWNET, "inside", os.Args[1:]...).Run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "pictures: %v\n", err)
		os.Exit(1)
	}
}

// again is this program as something else.
func again(namespaces uintptr, as string, args ...string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", args...)
	c.Env = append(os.Environ(), asVar+"="+as)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	return c
}

func inside() error {
	after := flag.Duration("after", 6*time.Minute, "how long there is traffic before the pictures are taken")
	into := flag.String("into", "docs/dashboard", "the folder for the pictures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := setTheScene(ctx, *after)
	if err != nil {
		return err
	}
	defer s.end()
	fmt.Printf("traffic for %v; to look on: nsenter -t %d -n sluice top\n", *after, os.Getpid())
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(*after):
	}
	return takePictures(ctx, "http://"+adminAt+"/", *into)
}
