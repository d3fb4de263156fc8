//! A private PostgreSQL that speaks TLS, and a standby of it; both end with the last test that uses
//! them.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::Mutex;

pub(super) const PASSWORD: &str = "a secret: /?#@%'\\";

const HBA: &str = "local all all trust\n\
    hostssl all carol 127.0.0.1/32 cert\n\
    hostnossl all dave 127.0.0.1/32 reject\n\
    host all all 127.0.0.1/32 scram-sha-256\n";

const CONF: &str = "listen_addresses = '127.0.0.1'\nunix_socket_directories = '..'\nfsync = off\n\
    shared_buffers = 16MB\nssl = on\nssl_cert_file = '../server.pem'\n\
    ssl_key_file = '../server.key'\nssl_ca_file = '../ca.pem'\n";

/// A primary and a standby, each in a directory with the certificates.
pub(super) struct Servers {
    pub(super) primary: Server,
    pub(super) standby: Server,
}

pub(super) struct Server {
    pub(super) dir: TempDir,
    pub(super) port: u16,
    process: Child,
}

impl Servers {
    /// Those of the tests that run now, started by the first.
    pub(super) async fn shared() -> Arc<Self> {
        static SHARED: Mutex<std::sync::Weak<Servers>> = Mutex::const_new(std::sync::Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(servers) = shared.upgrade() {
            return servers;
        }
        let servers = tokio::task::spawn_blocking(Self::start).await;
        let servers = Arc::new(servers.expect("the servers start"));
        *shared = Arc::downgrade(&servers);
        servers
    }

    fn start() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let standby_dir = TempDir::new().expect("a temporary directory");
        certificates(dir.path());
        write(dir.path(), "password", PASSWORD);
        own(dir.path());
        own(standby_dir.path());
        run(command("initdb", dir.path())
            .args(["-D", "db", "-U", "flowtrail", "--pwfile", "password"])
            .args(["-E", "UTF8", "--locale=C", "--no-sync"]));
        write(&dir.path().join("db"), "pg_hba.conf", HBA);
        write(&dir.path().join("db"), "postgresql.auto.conf", CONF);
        // A copy of a cluster that never ran is as good as a base backup.
        run(Command::new("cp")
            .arg("-a")
            .arg(dir.path().join("."))
            .arg(standby_dir.path()));
        write(&standby_dir.path().join("db"), "standby.signal", "");
        Self {
            primary: Server::start(dir),
            standby: Server::start(standby_dir),
        }
    }
}

impl Server {
    fn start(dir: TempDir) -> Self {
        let port = free_port();
        let log = fs::File::create(dir.path().join("log")).expect("a log file");
        let process = command("postgres", dir.path())
            .args(["-D", "db", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres starts");
        let mut server = Self { dir, port, process };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !server.is_ready() {
            let log = server.dir.path().join("log");
            assert!(
                Instant::now() < deadline && matches!(server.process.try_wait(), Ok(None)),
                "the server does not start: {}",
                fs::read_to_string(log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn is_ready(&self) -> bool {
        command("pg_isready", self.dir.path())
            .args(["-q", "-h"])
            .arg(self.dir.path())
            .args(["-p", &self.port.to_string()])
            .status()
            .is_ok_and(|status| status.success())
    }

    /// A file beside the server, such as `ca.pem`.
    pub(super) fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::QUIT);
        }
        let _ = self.process.wait();
    }
}

/// An authority with a server's and a client's certificate, and an authority nobody knows.
fn certificates(dir: &Path) {
    let ca = authority("the authority");
    write(dir, "ca.pem", &ca.pem());
    write(dir, "other-ca.pem", &authority("somebody else").pem());
    for (file, name, alt) in [
        ("server", "a server", "localhost"),
        ("carol", "carol", "carol"),
    ] {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([alt.to_owned()]).expect("a name");
        params.distinguished_name = named(name);
        let certificate = params.signed_by(&key, &ca).expect("a certificate");
        write(dir, &format!("{file}.pem"), &certificate.pem());
        write(dir, &format!("{file}.key"), &key.serialize_pem());
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = named(name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text).expect("a file is written");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("permissions are set");
    own(&path);
}

/// PostgreSQL refuses to be root; then everything belongs to the user that the package made.
fn account() -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    rustix::process::geteuid().is_root().then(|| {
        let fields = accounts
            .lines()
            .find_map(|line| line.strip_prefix("postgres:"))
            .map(|rest| rest.split(':').collect::<Vec<_>>());
        let id = |at: usize| {
            fields
                .as_ref()
                .and_then(|fields| fields.get(at)?.parse().ok())
        };
        id(1)
            .zip(id(2))
            .expect("run the tests as another user than root, or add a user `postgres`")
    })
}

fn own(path: &Path) {
    if let Some((uid, gid)) = account() {
        chown(path, Some(uid), Some(gid)).expect("root may give a file away");
        if path.is_dir() {
            for entry in fs::read_dir(path).expect("a directory") {
                chown(entry.expect("an entry").path(), Some(uid), Some(gid))
                    .expect("root may give a file away");
            }
        }
    }
}

fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(binaries().join(program));
    command.current_dir(dir).stdin(Stdio::null());
    if let Some((uid, gid)) = account() {
        command.uid(uid).gid(gid);
    }
    command
}

fn binaries() -> PathBuf {
    fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists())
        .max()
        .expect("no PostgreSQL server programs: apt-get install postgresql")
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is there");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    address.port()
}
