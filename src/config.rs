//! Every option of the server: a flag, an environment variable `FLOWTRAIL_...` and a default.
//!
//! The doc comments are the manual that `--help` prints. Nothing else in the program reads the
//! environment. Some defaults follow from the machine that it runs on ([`found`]).

mod flogo;
mod found;
mod units;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

pub use flogo::FlogoConfig;
pub use units::{bytes, duration};

/// What `serve` and `demo` take.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Where it listens.
    #[command(flatten)]
    pub listen: Listen,
    /// How the database is reached.
    #[command(flatten)]
    pub database: Database,
    /// The private PostgreSQL.
    #[command(flatten)]
    pub embedded: Embedded,
    /// The way in.
    #[command(flatten)]
    pub ingest: Ingest,
    /// Where events go while the database is away.
    #[command(flatten)]
    pub spool: Spool,
    /// What may come in.
    #[command(flatten)]
    pub control: Control,
    /// What REST clients may do.
    #[command(flatten)]
    pub rest: Rest,
    /// What it says.
    #[command(flatten)]
    pub log: Log,
}

impl Config {
    /// What no single option can see.
    ///
    /// # Errors
    /// One sentence naming the options and the remedy.
    pub fn check(&self) -> Result<(), String> {
        let ingest = &self.ingest;
        for (name, number) in [
            ("--lanes", ingest.lanes),
            ("--batch-rows", ingest.batch_rows),
            ("--max-unanswered-chunks", ingest.max_unanswered_chunks),
            ("--pool-size", self.database.pool_size),
            ("--max-connections", self.listen.max_connections),
            ("--max-streams", self.listen.max_streams),
            ("--workers", self.listen.workers),
        ] {
            if number == 0 {
                return Err(format!("{name} is 0; it must be at least 1"));
            }
        }
        if ingest.max_chunk_bytes > MAX_CHUNK_BYTES {
            return Err("--max-chunk-bytes is over 64MiB; split chunks instead".to_owned());
        }
        if ingest.max_event_bytes > ingest.max_chunk_bytes {
            return Err(
                "--max-event-bytes is over --max-chunk-bytes; an event must fit into a chunk"
                    .to_owned(),
            );
        }
        let least = 4 * ingest.max_chunk_bytes;
        if ingest.queue_bytes() < least {
            return Err(format!(
                "--queue-bytes must be at least four times --max-chunk-bytes, {least} bytes"
            ));
        }
        Ok(())
    }
}

/// The largest chunk that can be allowed.
const MAX_CHUNK_BYTES: usize = 64 << 20;

/// Where the server listens and what it allows there.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Listening")]
pub struct Listen {
    /// Address for gRPC, metrics and health; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDR",
        env = "FLOWTRAIL_LISTEN",
        default_value = "127.0.0.1:9190"
    )]
    pub listen: SocketAddr,
    /// Address for gRPC alone, when it should not share --listen
    #[arg(long, value_name = "ADDR", env = "FLOWTRAIL_GRPC_LISTEN")]
    pub grpc_listen: Option<SocketAddr>,
    /// Address for /metrics, /healthz and /readyz alone, always plain HTTP
    #[arg(long, value_name = "ADDR", env = "FLOWTRAIL_ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,
    /// Certificate chain of the server (PEM); with --tls-key switches TLS on
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOWTRAIL_TLS_CERT",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the server (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOWTRAIL_TLS_KEY",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// Clients must show a certificate signed by one of these (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOWTRAIL_TLS_CLIENT_CA",
        requires = "tls_cert"
    )]
    pub tls_client_ca: Option<PathBuf>,
    /// Connections open at once; further ones wait to be accepted
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_MAX_CONNECTIONS",
        default_value_t = 1024
    )]
    pub max_connections: usize,
    /// Recorder streams open at once; further ones are refused with RESOURCE_EXHAUSTED
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_MAX_STREAMS",
        default_value_t = 1024
    )]
    pub max_streams: usize,
    /// Threads that read, decide and answer; PostgreSQL wants cores too [default: one for two cores]
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_WORKERS",
        default_value_t = Listen::default_workers(),
        hide_default_value = true
    )]
    pub workers: usize,
    /// How long a stop waits for what was taken to be written and answered
    #[arg(long, value_name = "TIME", env = "FLOWTRAIL_SHUTDOWN_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub shutdown_timeout: Duration,
}

/// How the database is reached. Every command that needs one takes these.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct Database {
    /// PostgreSQL in libpq's words: postgresql://user@host/db?sslmode=verify-full or "host=a,b dbname=db". Of several hosts the one that takes writes is used, and left when another is promoted, unless target_session_attrs says otherwise. Without it an embedded PostgreSQL runs under --data-dir
    #[arg(
        long,
        value_name = "URL",
        env = "FLOWTRAIL_DATABASE_URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// File that holds the database URL, for secrets mounted as files
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOWTRAIL_DATABASE_URL_FILE",
        conflicts_with = "database_url"
    )]
    pub database_url_file: Option<PathBuf>,
    /// The config.json of an engines' flow-state service: what it says holds where no flag and no variable is given
    #[arg(long, value_name = "FILE", env = "FLOWTRAIL_FLOGO_CONFIG")]
    pub flogo_config: Option<PathBuf>,
    /// Connections for queries and housekeeping, besides one for each lane, one for the toggles and one for what watchers are told [default: two a core, 4 to 16]
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_POOL_SIZE",
        default_value_t = Database::default_pool_size(),
        hide_default_value = true
    )]
    pub pool_size: usize,
    /// How long to wait for a connection, authentication included
    #[arg(long, value_name = "TIME", env = "FLOWTRAIL_CONNECT_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// How long the server may work on one statement
    #[arg(long, value_name = "TIME", env = "FLOWTRAIL_STATEMENT_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub statement_timeout: Duration,
}

impl Database {
    /// Connections that a service with so many lanes opens: the pool, the lanes, the toggles'
    /// listener, and the line to watchers.
    #[must_use]
    pub fn connections(&self, lanes: usize) -> usize {
        self.pool_size + lanes + 2
    }
}

/// The private PostgreSQL that runs when no database URL is given.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Embedded PostgreSQL")]
pub struct Embedded {
    /// Directory of the embedded PostgreSQL and of everything the server keeps on disk
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOWTRAIL_DATA_DIR",
        default_value = "flowtrail-data"
    )]
    pub data_dir: PathBuf,
    /// Directory with PostgreSQL's programs; by default PATH and the usual places are searched
    #[arg(long, value_name = "DIR", env = "FLOWTRAIL_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
}

/// The way in: how much is taken and how it is written.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Ingest")]
pub struct Ingest {
    /// Bytes of events held in memory at most, received and not yet durable [default: a sixteenth of memory, 64MiB to 1GiB, at most 128MiB on two cores]
    #[arg(long, value_name = "SIZE", env = "FLOWTRAIL_QUEUE_BYTES", value_parser = bytes)]
    pub queue_bytes: Option<usize>,
    /// Size of one chunk at most
    #[arg(long, value_name = "SIZE", env = "FLOWTRAIL_MAX_CHUNK_BYTES", default_value = "1MiB", value_parser = bytes)]
    pub max_chunk_bytes: usize,
    /// Size of one event at most; at most --max-chunk-bytes
    #[arg(long, value_name = "SIZE", env = "FLOWTRAIL_MAX_EVENT_BYTES", default_value = "1MiB", value_parser = bytes)]
    pub max_event_bytes: usize,
    /// Chunks of one stream that may be unanswered before the server stops reading it
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_MAX_UNANSWERED_CHUNKS",
        default_value_t = 256
    )]
    pub max_unanswered_chunks: usize,
    /// Writers at most, each with a connection of its own; a light load is left to one [default: one a core,
    /// 2 to 8]
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_LANES",
        default_value_t = Ingest::default_lanes(),
        hide_default_value = true
    )]
    pub lanes: usize,
    /// Rows a transaction writes at most
    #[arg(
        long,
        value_name = "N",
        env = "FLOWTRAIL_BATCH_ROWS",
        default_value_t = 10_000
    )]
    pub batch_rows: usize,
    /// Bytes a transaction writes at most
    #[arg(long, value_name = "SIZE", env = "FLOWTRAIL_BATCH_BYTES", default_value = "16MiB", value_parser = bytes)]
    pub batch_bytes: usize,
    /// How long a batch that is not full waits for more; 0 writes at once, and batches grow by themselves under load
    #[arg(long, value_name = "TIME", env = "FLOWTRAIL_LINGER", default_value = "0s", value_parser = duration)]
    pub linger: Duration,
    /// How long a request that posts an event waits for room and for the commit together, before it is answered with 503
    #[arg(long, value_name = "TIME", env = "FLOWTRAIL_REST_WAIT", default_value = "10s", value_parser = duration)]
    pub rest_wait: Duration,
    /// Whether events can be posted over REST: /v1/instances/start, end, steps and snapshot
    #[arg(
        long,
        value_name = "BOOL",
        env = "FLOWTRAIL_EXPOSE_RECORDER",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub expose_recorder: bool,
}

/// Where events go while the database is away.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Spool")]
pub struct Spool {
    /// Without a spool under --data-dir: while the database is away events wait in memory, and then their senders
    #[arg(long, env = "FLOWTRAIL_NO_SPOOL")]
    pub no_spool: bool,
    /// How long a batch may wait for its commit before it goes to the spool, and everything after it
    #[arg(long, value_name = "TIME", env = "FLOWTRAIL_SPOOL_AFTER", default_value = "2s", value_parser = duration)]
    pub spool_after: Duration,
    /// Bytes the spool may take on disk; when they are used up senders wait
    #[arg(long, value_name = "SIZE", env = "FLOWTRAIL_SPOOL_BYTES", default_value = "10GiB", value_parser = bytes)]
    pub spool_bytes: usize,
}

/// What may come in.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Toggles")]
pub struct Control {
    /// Whether an app is recorded on which nobody decided
    #[arg(
        long,
        value_name = "POLICY",
        env = "FLOWTRAIL_DEFAULT_PERSISTENCE",
        default_value = "enabled"
    )]
    pub default_persistence: Policy,
}

/// What REST clients may do.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "REST")]
pub struct Rest {
    /// Whether GET /v1/stream/steps sends steps over a WebSocket as they are committed
    #[arg(
        long,
        value_name = "BOOL",
        env = "FLOWTRAIL_STREAMING_STEP",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub streaming_step: bool,
}

/// Recorded or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Recorded until somebody switches it off
    Enabled,
    /// Not recorded until somebody switches it on
    Disabled,
}

/// What the program says on stderr.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logging")]
pub struct Log {
    /// What to log, as level or as target=level,...
    #[arg(
        long,
        value_name = "FILTER",
        env = "FLOWTRAIL_LOG",
        default_value = "info,refinery_core=warn",
        global = true
    )]
    pub log: String,
    /// Form of a log line
    #[arg(
        long,
        value_name = "FORM",
        env = "FLOWTRAIL_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    pub log_format: LogFormat,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}
