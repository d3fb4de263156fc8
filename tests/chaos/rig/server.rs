//! The program as a process of its own, always at the same address, killed and started again.

use std::{
    fs::{File, OpenOptions},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::http;

/// How long a start may take, the database being there.
const START: Duration = Duration::from_mins(1);

pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) address: SocketAddr,
    flags: Vec<String>,
    log: PathBuf,
    /// Starts that ended at once, and were tried again.
    pub(crate) failed_starts: usize,
}

impl Server {
    /// The server with `flags`, not yet started; what it says is appended to `log`.
    pub(super) fn new(address: SocketAddr, flags: Vec<String>, log: PathBuf) -> Self {
        Self {
            child: None,
            address,
            flags,
            log,
            failed_starts: 0,
        }
    }

    /// Starts it and waits until it is ready. One that ends at once, because its database is just
    /// recovering, is started again, as any supervisor does.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            self.spawn();
            while self.running() {
                if self.ready().await {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    return Err("the server is not ready within a minute".into());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.failed_starts += 1;
            if Instant::now() > deadline {
                return Err("the server ends instead of serving for a minute".into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Starts it and does not wait.
    fn spawn(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log: File = log.expect("the run's directory is writable");
        let child = Command::new(env!("CARGO_BIN_EXE_flowtrail"))
            .args(["serve", "--listen", &self.address.to_string()])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the program starts"));
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM and its end; killed when that takes longer than `patience`. Whether it ended by
    /// itself.
    pub(crate) async fn terminate(&mut self, patience: Duration) -> bool {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + patience;
        while self.running() {
            if Instant::now() > deadline {
                self.kill();
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.child = None;
        true
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id();
        Pid::from_raw(id.try_into().ok()?)
    }

    pub(crate) fn running(&mut self) -> bool {
        let status = self.child.as_mut().map(Child::try_wait);
        matches!(status, Some(Ok(None)))
    }

    pub(crate) async fn ready(&self) -> bool {
        let answer = http(self.address, "/readyz").await;
        answer.is_some_and(|(status, _)| status == 200)
    }

    /// Sum of the samples of a metric whose line begins with `name`.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = http(self.address, "/metrics").await?;
        let lines = text.lines().filter(|line| line.starts_with(name));
        let samples = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Some(samples.sum())
    }

    /// MiB of memory it has now.
    pub(crate) fn resident_mib(&self) -> Option<u64> {
        let pid = self.pid()?.as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib >> 10)
    }

    /// Lines of its log that contain `words`.
    pub(crate) fn said(&self, words: &str) -> usize {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|line| line.contains(words)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
