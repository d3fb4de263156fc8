// Package servertest runs real flowtrail servers for tests: the program that FLOWTRAIL_PROGRAM names,
// each with a PostgreSQL of its own. Everything ends with the test, also when the test process is killed.
package servertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a server may take to do what it was told.
const Patience = time.Minute

// pause lies between two looks at something that is awaited.
const pause = 20 * time.Millisecond

// Server is a running, frozen, killed or stopped `flowtrail serve`. Its methods fail the test it was
// started for; call them from the test's own goroutine.
type Server struct {
	t        testing.TB
	program  string
	flags    []string
	root     string
	address  string
	admin    string
	watchdog *watchdog
	process  *exec.Cmd
	ended    chan struct{}
}

// Start runs `flowtrail serve` with flags on a free port of loopback and an empty database, and
// returns when it is ready. The listening addresses and the data directory are its own.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	program := os.Getenv("FLOWTRAIL_PROGRAM")
	if program == "" {
		t.Fatal("FLOWTRAIL_PROGRAM is not set to the flowtrail program; run `make go-test` in the repository's root")
	}
	root, err := os.MkdirTemp("", "flowtrail-go-")
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{
		t: t, program: program, flags: flags, root: root, address: freeAddress(t), admin: freeAddress(t),
	}
	server.watchdog, err = watch(root, server.cluster())
	if err != nil {
		t.Fatal(errors.Join(err, os.RemoveAll(root)))
	}
	t.Cleanup(server.end)
	// As root, PostgreSQL runs as another user, who has to get through.
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	server.Restart()
	return server
}

// Address is the host and port of gRPC and REST, the same over every Restart.
func (s *Server) Address() string { return s.address }

// Restart starts the server again after Kill9 or Stop, on the same address and the same database, and
// returns when it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	if s.process != nil {
		s.t.Fatal("the server runs; Kill9 or Stop it before Restart")
	}
	log, err := os.OpenFile(s.log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	// rows are looked for as soon as they are acknowledged: a busy machine must not make a detour of them
	own := []string{"serve", "--listen", s.address, "--admin-listen", s.admin, "--data-dir", s.dataDir(), "--spool-after", "1m"}
	s.process = exec.Command(s.program, append(own, s.flags...)...)
	s.process.Dir, s.process.Env, s.process.Stderr = s.root, environment(), log
	if err := start(s.process); err != nil {
		s.process = nil
		s.t.Fatalf("FLOWTRAIL_PROGRAM: %v", err)
	}
	s.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		// How it ended is in the process's state.
		_ = process.Wait()
		close(ended)
	}(s.process, s.ended)
	s.AwaitReady()
}

// RestartWith is Restart with other flags instead of Start's.
func (s *Server) RestartWith(flags ...string) {
	s.t.Helper()
	s.flags = flags
	s.Restart()
}

// AwaitReady returns when the server says that an event sent now will be kept.
func (s *Server) AwaitReady() {
	s.t.Helper()
	for deadline := time.Now().Add(Patience); !s.Ready(); time.Sleep(pause) {
		select {
		case <-s.ended:
			s.t.Fatalf("the server ended (%v) instead of being ready: %s", s.process.ProcessState, s.said())
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server is not ready within %v: %s", Patience, s.said())
		}
	}
}

// Ready is what /readyz says; false also when nobody answers within a second.
func (s *Server) Ready() bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + s.admin + "/readyz")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Kill9 ends the server as a crash would, frozen or not. Its database lives on.
func (s *Server) Kill9() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	<-s.ended
	s.process = nil
}

// Stop asks the server to drain and end, and its database with it, and waits for that.
func (s *Server) Stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(Patience):
		s.t.Fatalf("the server did not stop within %v: %s", Patience, s.said())
	}
	if status := s.process.ProcessState; !status.Success() {
		s.t.Fatalf("the server did not stop cleanly (%v): %s", status, s.said())
	}
	s.process = nil
}

// Freeze makes the server fall silent without closing a connection, until Thaw. It returns when it is
// silent: the system stops the threads one after the other.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(Patience); s.Ready(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			s.t.Fatal("the server goes on although it was told to stop")
		}
	}
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if s.process == nil {
		s.t.Fatalf("%v: the server does not run; Restart it first", signal)
	}
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatalf("%v: %v: %s", signal, err, s.said())
	}
}

// end is the test's cleanup.
func (s *Server) end() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		<-s.ended
	}
	if s.t.Failed() {
		s.t.Logf("the server said: %s", s.said())
	}
	s.watchdog.close()
}

func (s *Server) dataDir() string { return filepath.Join(s.root, "data") }
func (s *Server) log() string     { return filepath.Join(s.root, "server.log") }

// said is the end of the server's log.
func (s *Server) said() string {
	const most = 4 << 10
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// environment is ours without the settings of a server somebody runs here; where PostgreSQL's programs
// are stays known.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "FLOWTRAIL_") || strings.HasPrefix(variable, "FLOWTRAIL_PG_BIN=") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// freeAddress finds a port of loopback below those that outgoing connections take: while a server is
// down, a client that tries again could otherwise be given the very port and talk to itself.
func freeAddress(t testing.TB) string {
	const first, ports, tries = 20_000, 12_000, 100
	var failure error
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports))
		listener, err := net.Listen("tcp", address)
		if err == nil {
			listener.Close()
			return address
		}
		failure = err
	}
	t.Fatalf("no free port on loopback: %v", failure)
	return ""
}
