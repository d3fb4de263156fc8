//! Cleaning up after a test process, also one that panicked or was killed.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Runs a shell command once this value is dropped or the process is gone.
///
/// A little shell waits on a pipe whose other end is here; the system closes it in every case.
pub(crate) struct Watchdog {
    shell: Child,
}

/// Ends the server whose cluster is `$2` and removes the directory `$1`.
const END_SERVER: &str = r#"
pid=$(head -n 1 "$2/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -CONT "$pid"; kill -QUIT "$pid"
  n=0; while kill -0 "$pid" && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
fi
rm -rf "$1"
"#;

impl Watchdog {
    /// Ends the server that then runs on the cluster `data`, and removes `directory`.
    pub(crate) fn of_server(directory: &Path, data: &Path) -> Self {
        Self::new(
            END_SERVER,
            &[&directory.to_string_lossy(), &data.to_string_lossy()],
        )
    }

    /// `script` sees `arguments` as `$1` and so on.
    pub(crate) fn new(script: &str, arguments: &[&str]) -> Self {
        let shell = Command::new("sh")
            .args(["-c", &format!("read -r _; {script}"), "sh"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the whole group of the tests
            .process_group(0)
            .spawn()
            .expect("install a POSIX shell: `sh` cannot be run");
        Self { shell }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
