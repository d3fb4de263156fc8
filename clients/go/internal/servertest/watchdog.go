package servertest

import (
	"io"
	"os/exec"
	"syscall"
)

// watchdog is a shell that waits on a pipe whose other end is here. When the pipe closes, by close or
// by the death of this process, it ends the PostgreSQL server of a cluster and removes its directory.
// That server is no child of ours and outlives the flowtrail server on purpose.
type watchdog struct {
	pipe  io.Closer
	shell *exec.Cmd
}

const endServer = `
read -r _
pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -CONT "$pid"; kill -QUIT "$pid"
  n=0; while kill -0 "$pid" && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
fi
rm -rf "$1"
`

func watch(root, cluster string) (*watchdog, error) {
	shell := exec.Command("sh", "-c", endServer, "sh", root, cluster)
	// Ctrl-C goes to the whole group of the tests.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	return &watchdog{pipe: pipe, shell: shell}, nil
}

func (w *watchdog) close() {
	// What it ends is as ended when it fails as it can be.
	_ = w.pipe.Close()
	_ = w.shell.Wait()
}
