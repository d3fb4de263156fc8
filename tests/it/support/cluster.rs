//! A private PostgreSQL for tests: fast, not durable, gone with the test process.

mod standby;

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use flowtrail::pg::embedded::Binaries;
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::watchdog::Watchdog;

/// Role and password of every private cluster; it listens on loopback only.
const USER: &str = "flowtrail";

/// A PostgreSQL server of this test process. It listens on a socket and on a port of the loopback
/// interface that stays the same over [`Cluster::stop`] and [`Cluster::start_again`].
pub(crate) struct Cluster {
    binaries: Binaries,
    directory: PathBuf,
    account: Option<(u32, u32)>,
    port: u16,
    password: String,
    _watchdog: Watchdog,
}

impl Cluster {
    /// A new cluster, ready for connections.
    pub(crate) async fn start() -> Self {
        blocking(Self::start_blocking).await
    }

    pub(super) fn start_blocking() -> Self {
        let cluster = Self::empty(random_password());
        let password_file = cluster.directory.join("password");
        fs::write(&password_file, &cluster.password).expect("the directory is writable");
        cluster.run(
            cluster
                .command("initdb")
                .args([
                    "--auth-host=scram-sha-256",
                    "--auth-local=trust",
                    "--no-sync",
                ])
                .args(["-E", "UTF8", "--locale=C", "-U", USER])
                .arg("--pwfile")
                .arg(&password_file)
                .arg("-D")
                .arg(cluster.data()),
        );
        cluster.start_blocking_again();
        cluster
    }

    /// A directory and a port for a cluster.
    fn empty(password: String) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let binaries = Binaries::find(None, None).unwrap_or_else(|_| {
            panic!(
                "no PostgreSQL server programs: apt-get install postgresql, or set TEST_DATABASE_URL to a server where databases may be created"
            )
        });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/tmp/flowtrail-it-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("make /tmp writable for the tests' clusters");
        let watchdog = Watchdog::of_server(&directory, &directory.join("data"));
        let account = geteuid().is_root().then(unprivileged);
        if let Some((uid, gid)) = account {
            chown(&directory, Some(uid), Some(gid)).expect("root may give a directory away");
        }
        Self {
            binaries,
            account,
            port: free_port(),
            password,
            _watchdog: watchdog,
            directory,
        }
    }

    /// The database `name` over TCP.
    pub(crate) fn url(&self, name: &str) -> String {
        format!(
            "postgresql://{USER}:{}@127.0.0.1:{}/{name}",
            self.password, self.port
        )
    }

    /// The directory of its socket.
    pub(crate) fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// Stops it as its administrator would: sessions are ended, what was committed is kept.
    pub(crate) async fn stop(&self) {
        let mut command = self.command("pg_ctl");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-m", "fast", "-w", "-t", "60", "stop"]);
        blocking(move || run(&mut command)).await;
    }

    /// Starts it again, on the same port, after [`Cluster::stop`] or [`Cluster::kill9`].
    pub(crate) async fn start_again(&self) {
        let start = self.start_command();
        blocking(move || retry_start(start)).await;
    }

    /// Kills the server's first process, as a crash of the machine would; the others end by
    /// themselves a little later.
    pub(crate) async fn kill9(&self) {
        let pid = self.pid();
        kill_process(pid, Signal::KILL).expect("the server runs");
        blocking(move || while kill_process(pid, Signal::CONT).is_ok() && !is_zombie(pid) {}).await;
    }

    /// Makes it fall silent without closing a connection, until [`Cluster::thaw`].
    pub(crate) fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, signal: Signal) {
        let pid = self.pid();
        kill_process(pid, signal).expect("the server runs");
        let children =
            fs::read_to_string(format!("/proc/{0}/task/{0}/children", pid.as_raw_nonzero()))
                .unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        {
            // one that has just ended needs no signal
            let _ = kill_process(child, signal);
        }
    }

    fn start_blocking_again(&self) {
        retry_start(self.start_command());
    }

    fn start_command(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-w", "-t", "60", "-l"])
            .arg(self.directory.join("log"))
            .arg("-o")
            .arg(format!(
                "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={} -c fsync=off \
                 -c full_page_writes=off -c max_connections=200 -c shared_buffers=64MB -c log_timezone=UTC",
                self.port,
                self.directory.display()
            ))
            .arg("start");
        command
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn pid(&self) -> Pid {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).expect("the server runs");
        let pid = file.lines().next().and_then(|line| line.parse().ok());
        pid.and_then(Pid::from_raw)
            .expect("PostgreSQL writes its process id first")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.program(program));
        command.current_dir(&self.directory).stdin(Stdio::null());
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn run(&self, command: &mut Command) {
        command.current_dir(&self.directory);
        run(command);
    }
}

/// After a crash the last processes of the old server may live for a moment, and keep a new one from
/// starting.
fn retry_start(mut command: Command) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let output = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .output();
        let output = output.expect("pg_ctl can be run");
        if output.status.success() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the tests' PostgreSQL does not start; see its log: {command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("PostgreSQL's programs can be run");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Work that waits for processes, off the test's own thread.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("the work above panicked")
}

/// User and group PostgreSQL may run as, which refuses to be root.
fn unprivileged() -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres:", "nobody:"]
        .iter()
        .find_map(|name| {
            let line = accounts.lines().find(|line| line.starts_with(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .expect("run the tests as a user other than root, or add a user `postgres`")
}

fn is_zombie(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    })
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn random_password() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
