package main

import (
	"net"
	"strings"
	"testing"
)

func TestOffloadThatIsStillOnIsFound(t *testing.T) {
	off := "tcp-segmentation-offload: off\n\ttx-tcp-segmentation: off\ngeneric-segmentation-offload: off\ngeneric-receive-offload: off\n"
	if err := noOffload(off); err != nil {
		t.Errorf("all is off: got %v", err)
	}
	for _, still := range []string{"tcp-segmentation-offload", "generic-receive-offload"} {
		on := strings.Replace(off, still+": off", still+": on", 1)
		if err := noOffload(on); err == nil || !strings.Contains(err.Error(), still) {
			t.Errorf("%s is on: got %v", still, err)
		}
	}
}

func TestCongestionControlOfASocketIsSeen(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := congestionOf(c.(*net.TCPConn)); got == "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
