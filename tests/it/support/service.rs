//! The service under test: in this process, or as the program with a process of its own.

use std::{
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use clap::Parser as _;
use flowtrail::{
    app::{self, Running},
    config::Config,
};
use rustix::process::{Pid, Signal, kill_process};

use super::data_dir::with_data_dir;

/// What `serve` takes, as a program of one option group.
#[derive(clap::Parser)]
struct Options {
    #[command(flatten)]
    config: Config,
}

/// The options of `serve` for `database_url`, a free port, and `more` flags.
pub(crate) fn config(database_url: &str, more: &[&str]) -> Config {
    let mut words = vec![
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        database_url,
    ];
    words.extend(more);
    let words = with_data_dir(&words);
    Options::try_parse_from(words)
        .expect("options of serve")
        .config
}

/// The service in this process.
pub(crate) async fn serve(database_url: &str, more: &[&str]) -> Running {
    app::start(config(database_url, more))
        .await
        .expect("the service starts")
}

/// The program in a process of its own, killed when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    said: JoinHandle<String>,
}

impl Program {
    /// `flowtrail serve` on a free port with `flags`; returns at once.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let address = free_address();
        let listen = address.to_string();
        Self::start_on(address, &[&["--listen", &listen], flags].concat())
    }

    /// `flowtrail serve` with `flags`, which make it listen on `address`; returns at once.
    fn start_on(address: SocketAddr, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flowtrail"))
            .arg("serve")
            .args(with_data_dir(flags))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("the pipe asked for above");
        Self {
            child,
            address,
            said: std::thread::spawn(|| listen(stderr)),
        }
    }

    /// The same; returns when `/readyz` says so.
    pub(crate) async fn serve(flags: &[&str]) -> Self {
        Self::start(flags).until_ready().await
    }

    /// The same with `flags` that make it listen on `address`.
    pub(crate) async fn serve_on(address: SocketAddr, flags: &[&str]) -> Self {
        Self::start_on(address, flags).until_ready().await
    }

    async fn until_ready(self) -> Self {
        let mut program = self;
        let deadline = Instant::now() + Duration::from_mins(1);
        while !program.ready().await {
            let ended = program.child.try_wait().expect("a child");
            assert_eq!(ended, None, "it ended instead of serving");
            assert!(Instant::now() < deadline, "not ready within 60 s");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        program
    }

    /// What `/readyz` says; false also when nobody answers.
    pub(crate) async fn ready(&self) -> bool {
        http(self.address, "/readyz")
            .await
            .is_some_and(|(status, _)| status == 200)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM; answers with the exit status.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.ended().await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.pid().try_into().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("it runs");
    }

    /// Waits for its end and answers with the exit status.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end within 60 s");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it said on stderr, once it has ended.
    pub(crate) fn said(mut self) -> String {
        self.child.wait().expect("a child");
        let said = std::mem::replace(&mut self.said, std::thread::spawn(String::new));
        said.join().expect("stderr is text")
    }

    /// Bytes of memory it has now.
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it runs, on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes =
            line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
        kilobytes.expect("Linux says how much memory it has") << 10
    }
}

/// Everything a program says, also passed on to whoever watches the tests.
fn listen(stderr: impl std::io::Read) -> String {
    let mut said = String::new();
    for line in std::io::BufReader::new(stderr).lines() {
        let Ok(line) = line else { break };
        // nobody watches, then nobody has to be told
        drop(writeln!(std::io::stderr(), "{line}"));
        said += &line;
        said.push('\n');
    }
    said
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address nobody listens on just now.
pub(crate) fn free_address() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("an address")
}

/// `GET path`: status and body, or nothing when nobody answers.
pub(crate) async fn http(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await.ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}
