// Sluice is a TCP load balancer whose payload never enters user space.
package main

import (
	"os"

	"sluice/cmd"
)

func main() { os.Exit(cmd.Main()) }
