//! What is measured: an own PostgreSQL with its durable defaults, servers as processes, and the load
//! generator as another one.

use std::{
    fs::Permissions,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use flowtrail::{
    config::Config,
    pg::{self, Connector, Pool, embedded::Embedded},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_flowtrail");
/// How long a server may take until it is ready.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(clap::Parser)]
struct Options {
    #[command(flatten)]
    config: Config,
}

/// PostgreSQL and the directory of everything.
pub(crate) struct Rig {
    directory: tempfile::TempDir,
    postgres: Embedded,
    config: Config,
}

/// A database of the rig's PostgreSQL with a server of its own.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    pub(crate) pool: Pool,
    server: Child,
}

impl Rig {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("flowtrail-bench-")
            .tempdir()?;
        // PostgreSQL runs under an account of its own when we are root
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let data = directory.path().join("postgres");
        let words = ["bench".into(), "--data-dir".into(), data.into_os_string()];
        let config = Options::try_parse_from(words)?.config;
        let postgres = Embedded::start(&config.embedded, &config.database).await?;
        Ok(Self {
            directory,
            postgres,
            config,
        })
    }

    /// A new database, migrated, with a server on it.
    pub(crate) async fn service(&self, name: &str) -> anyhow::Result<Service> {
        let admin = self.postgres.connector().connect("bench", |_| {}).await?;
        admin
            .batch_execute(&format!("create database {name}"))
            .await?;
        let socket = self.postgres.socket_directory();
        let url = format!("host={} user=flowtrail dbname={name}", socket.display());
        let migrated = Command::new(PROGRAM)
            .args(["migrate", "--database-url", &url])
            .output()
            .await?;
        let said = String::from_utf8_lossy(&migrated.stderr);
        ensure!(migrated.status.success(), "migrate: {said}");
        let address = free_address()?;
        let log = std::fs::File::create(self.directory.path().join(format!("{name}.log")))?;
        let server = Command::new(PROGRAM)
            .args(["serve", "--database-url", &url])
            .args(["--listen", &address.to_string(), "--data-dir"])
            .arg(self.directory.path().join(name))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        ready(address).await?;
        let connector = Connector::new(&url, &self.config.database)?;
        Ok(Service {
            pool: pg::pool(&connector, &self.config.database),
            url,
            address,
            server,
        })
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.postgres.stop().await?;
        Ok(())
    }
}

impl Service {
    /// Runs `flowtrail load` against it and answers with what it reports.
    pub(crate) async fn load(&self, words: &[&str]) -> anyhow::Result<Report> {
        let output = Command::new(PROGRAM)
            .args(["load", "--output", "json", "--database-url", &self.url])
            .args(["--server", &format!("http://{}", self.address)])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "load {}: {said}", words.join(" "));
        Ok(Report(serde_json::from_slice(&output.stdout)?))
    }

    /// Empties the tables and writes everything to disk, outside of what is timed.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        let client = self.pool.get().await?;
        client
            .batch_execute("truncate public.steps, public.flowstate; checkpoint")
            .await?;
        Ok(())
    }

    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        self.pool.get().await?.batch_execute("checkpoint").await?;
        Ok(())
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.server.kill().await?;
        Ok(())
    }
}

/// What `flowtrail load` reports.
pub(crate) struct Report(Value);

impl Report {
    /// A figure by its name.
    pub(crate) fn figure(&self, name: &str) -> anyhow::Result<f64> {
        let figure = self.0.get(name).and_then(Value::as_f64);
        figure.with_context(|| format!("load reports no {name}"))
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn ready(address: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if asked(address).await.is_ok_and(|answer| {
            answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200")
        }) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the server on {address} was not ready within {PATIENCE:?}")
}

async fn asked(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The directory that results are written to.
pub(crate) fn results() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/bench"))
}
