//go:build !linux

package servertest

import (
	"os/exec"
	"syscall"
)

// start starts a process. Here the system cannot kill it when a test process is killed.
func start(process *exec.Cmd) error {
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return process.Start()
}
