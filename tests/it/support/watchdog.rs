//! Cleaning up after a test process, also one that panicked or was killed.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// Runs a shell command once this value is dropped or the process is gone.
///
/// A little shell waits on a pipe whose other end is here; the system closes it in every case.
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
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
