// Package integration tests the real program as a process of its own, with
// real clients and backends. There is nothing here to import.
//
// The test binary runs itself again as sluice, and as the load and the
// backends that need a descriptor limit of their own:
//
//	go test ---+--- sluice run --config ...   (SLUICE_TEST_AS=sluice)
//	           +--- a helper                  (SLUICE_TEST_AS=its name)
//	           +--- nginx, redis-server, postgres, curl, wrk, strace ...
//
// A behaviour is tested over every path, and the first path is a direct
// connection: what fails there is a fault of the test.
package integration
