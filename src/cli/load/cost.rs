//! What a run costs: CPU of the server, of PostgreSQL and of this program, where they can be seen.

use std::{convert::Infallible, fs, path::Path, time::Duration};

use tokio_postgres::Client;

use super::rest::{Connection, Target};

/// The server's metrics of Prometheus' own names.
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";

/// How often progress is shown and the server's memory is looked at.
const TICK: Duration = Duration::from_millis(250);

/// What can be seen of whom.
#[derive(Debug)]
pub(super) struct Watch {
    server: Option<Target>,
    /// The most memory that the server was seen to hold.
    most_server_bytes: Option<f64>,
    /// The process of PostgreSQL that starts all others, if it runs on this machine.
    postmaster: Option<u32>,
}

/// CPU seconds used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) server: Option<f64>,
    pub(super) postgres: Option<f64>,
    pub(super) client: Option<f64>,
}

impl Watch {
    /// Watches the server behind `target` if it tells its metrics, and the PostgreSQL of `database`
    /// if it runs here.
    pub(super) async fn new(target: Option<Target>, database: Option<&Client>) -> Self {
        let postmaster = match database {
            Some(client) => postmaster(client).await,
            None => None,
        };
        Self {
            server: target,
            most_server_bytes: None,
            postmaster,
        }
    }

    /// Looks at the server and calls `show`, again and again until it is dropped.
    pub(super) async fn follow(&mut self, show: impl Fn()) -> Infallible {
        loop {
            tokio::time::sleep(TICK).await;
            show();
            self.server_cpu().await;
        }
    }

    /// The most memory that the server was seen to hold, in bytes.
    pub(super) fn most_server_bytes(&self) -> Option<f64> {
        self.most_server_bytes
    }

    /// What is used by now.
    pub(super) async fn cost(&mut self) -> Cost {
        Cost {
            server: self.server_cpu().await,
            postgres: self.postmaster.and_then(cpu_of_all),
            client: Process::read("self").map(|own| own.cpu_seconds),
        }
    }

    /// Asks the server; one that does not answer is not seen.
    async fn server_cpu(&mut self) -> Option<f64> {
        let mut server = Connection::open(self.server.clone()?).await.ok()?;
        let text = server.get("/metrics").await.ok()?;
        let most = [self.most_server_bytes, sample(&text, MEMORY)];
        self.most_server_bytes = most.into_iter().flatten().reduce(f64::max);
        sample(&text, CPU)
    }
}

/// The value of a metric without labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(line)
}

async fn postmaster(client: &Client) -> Option<u32> {
    let row = client
        .query_one(include_str!("../../../sql/load/backend.sql"), &[])
        .await
        .ok()?;
    let backend: i32 = row.get("pid");
    let backend = Process::read(&backend.to_string())?;
    // The same number may be another process where the database is on another machine.
    (backend.name == "postgres").then_some(backend.parent)
}

/// CPU seconds of a process, its children and those that have ended.
fn cpu_of_all(parent: u32) -> Option<f64> {
    let own = Process::read(&parent.to_string())?;
    let mut sum = own.cpu_seconds + own.ended_seconds;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let child = entry.file_name().to_str().and_then(Process::read);
        if let Some(child) = child.filter(|child| child.parent == parent) {
            sum += child.cpu_seconds;
        }
    }
    Some(sum)
}

/// What `/proc/<pid>/stat` says.
#[derive(Debug, PartialEq)]
struct Process {
    name: String,
    parent: u32,
    cpu_seconds: f64,
    /// Of children that have ended.
    ended_seconds: f64,
}

impl Process {
    fn read(pid: &str) -> Option<Self> {
        let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        Self::parse(&stat, rustix::param::clock_ticks_per_second() as f64)
    }

    /// proc(5): the name in parentheses, behind it state, parent and so on.
    fn parse(stat: &str, ticks: f64) -> Option<Self> {
        let (before, behind) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = behind.split(' ').collect();
        let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / ticks);
        Some(Self {
            name: before.split_once('(')?.1.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            cpu_seconds: seconds(11)? + seconds(12)?,
            ended_seconds: seconds(13)? + seconds(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194560 9 0 0 0 150 50 20 30 20 0 1 0 9";
        let expected = Process {
            name: "a ) b".to_owned(),
            parent: 7,
            cpu_seconds: 2.0,
            ended_seconds: 0.5,
        };
        assert_eq!(Process::parse(stat, 100.0), Some(expected));
        assert_eq!(Process::parse("42 (a", 100.0), None);
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# TYPE a counter\na_total_b 3\na_total 2.5\n";
        assert_eq!(sample(text, "a_total"), Some(2.5));
        assert_eq!(sample(text, "b"), None);
    }
}
