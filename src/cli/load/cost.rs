//! What a run costs: CPU of the server, of PostgreSQL and of this program, where they can be seen.

use std::{convert::Infallible, fs, time::Duration};

use tokio_postgres::Client;

use super::rest::{Connection, Target};
use crate::ops::process::Stat;

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
            client: Stat::read("self").map(|own| own.cpu.as_secs_f64()),
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
    let backend = Stat::read(&backend.to_string())?;
    // The same number may be another process where the database is on another machine.
    (backend.name == "postgres").then_some(backend.parent)
}

/// CPU seconds of a process, its children and those that have ended.
fn cpu_of_all(parent: u32) -> Option<f64> {
    let own = Stat::read(&parent.to_string())?;
    let mut sum = own.cpu + own.ended_cpu;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let child = entry.file_name().to_str().and_then(Stat::read);
        if let Some(child) = child.filter(|child| child.parent == parent) {
            sum += child.cpu;
        }
    }
    Some(sum.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# TYPE a counter\na_total_b 3\na_total 2.5\n";
        assert_eq!(sample(text, "a_total"), Some(2.5));
        assert_eq!(sample(text, "b"), None);
    }
}
