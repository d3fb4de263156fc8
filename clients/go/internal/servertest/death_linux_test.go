package servertest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// victim names the variable that makes this test binary start a server and wait to be killed.
const victim = "SERVERTEST_VICTIM"

func TestEverythingEndsWithAKilledTestProcess(t *testing.T) {
	if os.Getenv(victim) != "" {
		server := Start(t)
		lock, err := server.lockFile()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(victim, server.process.Process.Pid, lock.pid, server.root)
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), victim+"=1")
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var server, database int
	var root string
	for lines := bufio.NewScanner(output); root == "" && lines.Scan(); {
		if said, ok := strings.CutPrefix(lines.Text(), victim); ok {
			if _, err := fmt.Sscan(said, &server, &database, &root); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if root == "" {
		t.Fatal("the child ended before its server was ready; see TestAServerKeepsItsRowsAndItsAddress")
	}
	for what, gone := range map[string]func() bool{
		"the server":    func() bool { return ended(server) },
		"PostgreSQL":    func() bool { return ended(database) },
		"the directory": func() bool { _, err := os.Stat(root); return os.IsNotExist(err) },
	} {
		for deadline := time.Now().Add(Patience); !gone(); time.Sleep(pause) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is still there", what)
			}
		}
	}
}

// ended tells whether a process is gone, or dead and not yet waited for by whoever inherited it.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// The name, in brackets, may hold anything; the state comes after it.
	rest := string(stat[bytes.LastIndexByte(stat, ')')+1:])
	return strings.HasPrefix(rest, " Z")
}
