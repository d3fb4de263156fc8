package servertest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Null stands for NULL in what Query returns.
const Null = "\x00NULL"

// disconnected is how psql ends when it has no connection, or lost it.
const disconnected = 2

// Query returns the rows of a query as PostgreSQL writes them as texts: Null for NULL, `\x` and hex
// digits for bytes, `t` and `f` for booleans. It asks the server's own PostgreSQL, also while the
// flowtrail server is frozen or killed, and waits for one that is being started again.
func (s *Server) Query(t testing.TB, sql string) [][]string {
	t.Helper()
	return rows(s.psql(t, "copy ("+strings.TrimRight(sql, "; \n\t")+"\n) to stdout"))
}

// KillDatabase kills PostgreSQL's first process, as a crash of the database would; the others end by
// themselves. The flowtrail server starts it again.
func (s *Server) KillDatabase() {
	s.t.Helper()
	lock, err := s.lockFile()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(lock.pid, syscall.SIGKILL); err != nil {
		s.t.Fatalf("PostgreSQL does not run: %v", err)
	}
}

// cluster is the directory of the database.
func (s *Server) cluster() string { return filepath.Join(s.dataDir(), "postgres", "data") }

func (s *Server) psql(t testing.TB, sql string) string {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(pause) {
		output, err := s.psqlOnce(sql)
		var ended *exec.ExitError
		switch {
		case err == nil:
			return output
		case errors.As(err, &ended) && ended.ExitCode() != disconnected:
			t.Fatalf("psql: %v: %s: %s", err, ended.Stderr, sql)
		case time.Now().After(deadline):
			t.Fatalf("no connection to PostgreSQL within %v: %v: %s", Patience, err, stderr(ended))
		}
	}
}

func (s *Server) psqlOnce(sql string) (string, error) {
	lock, err := s.lockFile()
	if err != nil {
		return "", err
	}
	psql, err := s.psqlPath()
	if err != nil {
		return "", err
	}
	command := exec.Command(psql, "-X", "-q", "-h", lock.socketDir, "-p", lock.port,
		"-U", "flowtrail", "-d", "flowtrail", "-c", sql)
	command.Env = append(os.Environ(), "PGCLIENTENCODING=UTF8", "PGTZ=UTC")
	output, err := command.Output()
	return string(output), err
}

// lock is what PostgreSQL writes into postmaster.pid.
type lock struct {
	pid       int
	port      string
	socketDir string
}

func (s *Server) lockFile() (lock, error) {
	text, err := os.ReadFile(filepath.Join(s.cluster(), "postmaster.pid"))
	if err != nil {
		return lock{}, err
	}
	// The process, the cluster, when it started, the port, the socket's directory; while it starts
	// the last ones may be missing.
	lines := strings.Split(string(text), "\n")
	if len(lines) < 6 {
		return lock{}, errors.New("PostgreSQL is starting")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	return lock{pid: pid, port: lines[3], socketDir: lines[4]}, err
}

// psqlPath is the psql beside the server that runs: its options file begins with the server's path,
// and the first option is quoted.
func (s *Server) psqlPath() (string, error) {
	text, err := os.ReadFile(filepath.Join(s.cluster(), "postmaster.opts"))
	if err != nil {
		return "", err
	}
	postgres, _, _ := strings.Cut(string(text), ` "`)
	return filepath.Join(filepath.Dir(postgres), "psql"), nil
}

func stderr(ended *exec.ExitError) []byte {
	if ended == nil {
		return nil
	}
	return bytes.TrimSpace(ended.Stderr)
}
