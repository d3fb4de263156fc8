//! The database: a primary and its synchronous standby, each behind a line that can be cut, on a
//! disk that can be filled.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

use super::disk::Disk;
use crate::support::{self, Cluster, Proxy};

pub(crate) struct Site {
    /// One or two servers; `primary` is the one that takes writes.
    clusters: Vec<Cluster>,
    lines: Vec<Proxy>,
    primary: usize,
    /// The disk of the first server, where this machine allows one.
    pub(crate) disk: Result<Disk, String>,
}

impl Site {
    /// A primary, and a standby if asked for; `disk_bytes` for the first server's own disk.
    pub(super) async fn start(standby: bool, disk_bytes: Option<u64>, images: &Path) -> Self {
        let first = Cluster::start().await;
        let disk = match disk_bytes {
            Some(bytes) => {
                first.stop().await;
                let disk = Disk::mount(first.socket_directory(), images, bytes);
                first.start_again().await;
                disk
            }
            None => Err("not asked for".into()),
        };
        let client = support::connect(&first.url("postgres")).await;
        let settings = [
            "max_wal_size = '128MB'",
            // a standby that lost its primary looks for it again soon
            "wal_retrieve_retry_interval = '200ms'",
            "log_min_messages = 'warning'",
        ];
        for setting in settings {
            let set = format!("alter system set {setting}");
            client.batch_execute(&set).await.expect("a superuser");
        }
        client
            .batch_execute("select pg_reload_conf()")
            .await
            .expect("a superuser");
        let mut clusters = vec![first];
        if standby {
            let standby = clusters[0].standby().await;
            clusters.push(standby);
        }
        let mut lines = Vec::new();
        for cluster in &clusters {
            lines.push(Proxy::to(cluster.address()).await);
        }
        Self {
            clusters,
            lines,
            primary: 0,
            disk,
        }
    }

    /// What `serve` is told: every line.
    pub(super) fn url(&self) -> String {
        let direct = self.primary().url("postgres");
        let (user, rest) = direct.split_once('@').expect("user and password");
        let (_, name) = rest.split_once('/').expect("a database");
        let hosts: Vec<_> = self
            .lines
            .iter()
            .map(|line| line.address().to_string())
            .collect();
        let writes = if hosts.len() > 1 {
            "?target_session_attrs=read-write"
        } else {
            ""
        };
        format!("{user}@{}/{name}{writes}", hosts.join(","))
    }

    pub(crate) fn primary(&self) -> &Cluster {
        &self.clusters[self.primary]
    }

    /// The way to the primary.
    pub(crate) fn line(&self) -> &Proxy {
        &self.lines[self.primary]
    }

    pub(crate) fn has_standby(&self) -> bool {
        self.clusters.len() > 1
    }

    /// Whether the primary is the server with a disk of its own.
    pub(crate) fn small(&self) -> Option<&Disk> {
        self.disk.as_ref().ok().filter(|_| self.primary == 0)
    }

    /// Kills the primary and promotes the standby.
    pub(crate) async fn promote(&mut self) {
        self.primary().kill9().await;
        self.primary = 1 - self.primary;
        self.primary().promote().await;
    }

    /// Starts the primary again if it does not run, and makes the other server follow it if that
    /// does not.
    pub(crate) async fn revive(&self) {
        if pid(self.primary()).is_none() {
            self.primary().start_again().await;
        }
        if let Some(other) = self.clusters.get(1 - self.primary)
            && pid(other).is_none()
        {
            other.follow(self.primary()).await;
        }
    }

    /// A connection that no line is between.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        support::connect(&self.primary().url("postgres")).await
    }

    /// Ends the primary without a checkpoint: what `pg_ctl stop -m immediate` does.
    pub(crate) async fn stop_at_once(&self) {
        let Some(pid) = pid(self.primary()) else {
            return;
        };
        let _ = kill_process(pid, Signal::QUIT);
        support::eventually("the end of PostgreSQL", async || {
            self::pid(self.primary()).is_none()
        })
        .await;
    }

    /// Copies the servers' logs to `place`.
    pub(crate) fn keep_logs(&self, place: &Path) {
        for (number, cluster) in self.clusters.iter().enumerate() {
            let log = cluster.socket_directory().join("log");
            let _ = fs::copy(log, place.join(format!("postgresql-{number}.log")));
        }
    }
}

/// A server's first process, if it runs.
fn pid(cluster: &Cluster) -> Option<Pid> {
    let file = cluster.socket_directory().join("data/postmaster.pid");
    let text = fs::read_to_string(file).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.parse().ok()?)?;
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // what was killed may not have been waited for yet
    let state = status.rsplit(')').next()?.trim_start();
    (!state.starts_with('Z')).then_some(pid)
}
