package cmd

import "testing"

func TestCheckPrintsEveryFaultOnALineOfItsOwn(t *testing.T) {
	code, out, stderr := runProgram("check", "testdata/faulty.toml")
	if code != exitError || out != "" {
		t.Errorf("exit %d, stdout %q, want 1 and nothing", code, out)
	}
	golden(t, "check-faulty", stderr)
}

func TestRunPrintsTheFaultsOfItsFile(t *testing.T) {
	code, out, stderr := runProgram("run", "--config", "testdata/faulty.toml")
	if code != exitError || out != "" {
		t.Errorf("exit %d, stdout %q, want 1 and nothing", code, out)
	}
	golden(t, "run-faulty", stderr)
}

func TestHealthcheckNamesWhatDoesNotListen(t *testing.T) {
	code, out, stderr := runProgram("healthcheck", "--config", "testdata/silent.toml")
	want := "sluice: listener a: nothing listens at 127.0.0.1:1\n" +
		"sluice: listener b: nothing listens at unix:/nonexistent/sluice.sock\n"
	if code != exitError || out != "" || stderr != want {
		t.Errorf("exit %d, stdout %q, stderr %q, want 1 and %q", code, out, stderr, want)
	}
}
