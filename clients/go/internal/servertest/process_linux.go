package servertest

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// starter starts processes from one thread that never ends: the system sends a process its signal at
// the death of the thread, not of the process, that started it.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

// start starts a process that is killed when this one ends, however that happens.
func start(process *exec.Cmd) error {
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	starter() <- func() { started <- process.Start() }
	return <-started
}
