//! A standby of a cluster: commits wait for it, it can be promoted, and the old primary can be made
//! to refuse writes or to follow the new one.

use std::fs;

use super::{Cluster, USER, blocking, retry_start, run};
use crate::support::{connect, eventually};

impl Cluster {
    /// A standby of this server. Once this returns every commit here waits until it is on the
    /// standby's disk.
    pub(crate) async fn standby(&self) -> Self {
        let standby = Self::empty(self.password.clone());
        standby.follow(self).await;
        standby
    }

    /// Makes this server, which does not run, a standby of `primary`, whatever it was before; its
    /// port stays the same. Once this returns every commit there waits for it.
    pub(crate) async fn follow(&self, primary: &Self) {
        let data = self.data();
        // the last processes of a server that crashed may still be writing into it
        eventually("an empty place", async || {
            let _ = fs::remove_dir_all(&data);
            !data.exists()
        })
        .await;
        let mut copy = self.command("pg_basebackup");
        // the socket asks for no password; `-R` writes the same words into `primary_conninfo`
        copy.arg("-h")
            .arg(&primary.directory)
            .args(["-p", &primary.port.to_string(), "-U", USER])
            .args(["-R", "--no-sync", "-c", "fast", "-X", "stream", "-D"])
            .arg(self.data());
        let start = self.start_command();
        blocking(move || {
            run(&mut copy);
            retry_start(start);
        })
        .await;
        primary
            .set("alter system set synchronous_standby_names = '*'")
            .await;
        let client = connect(&primary.url("postgres")).await;
        let waited = "select exists (select from pg_stat_replication where sync_state = 'sync')";
        eventually("a synchronous standby", async || {
            client.query_one(waited, &[]).await.unwrap().get(0)
        })
        .await;
    }

    /// Makes this standby a primary; it takes writes when this returns.
    pub(crate) async fn promote(&self) {
        let mut promote = self.command("pg_ctl");
        promote
            .args(["promote", "-w", "-t", "60", "-D"])
            .arg(self.data());
        blocking(move || run(&mut promote)).await;
    }

    /// Makes it refuse writes from now on, also in the sessions that are open, as a demoted primary
    /// does.
    pub(crate) async fn demote(&self) {
        self.set("alter system set default_transaction_read_only = on")
            .await;
    }

    /// Runs an `alter system` and waits until new sessions go by it.
    async fn set(&self, statement: &str) {
        let client = connect(&self.url("postgres")).await;
        let loaded = "select pg_conf_load_time()::text";
        let before: String = client.query_one(loaded, &[]).await.unwrap().get(0);
        // nothing that waits for a standby
        client
            .batch_execute("set synchronous_commit = off")
            .await
            .unwrap();
        client.batch_execute(statement).await.unwrap();
        client
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        eventually("reload", async || {
            let fresh = connect(&self.url("postgres")).await;
            let row = fresh.query_one(loaded, &[]).await.unwrap();
            row.get::<_, String>(0) != before
        })
        .await;
    }

    /// The database `name` on the first of these servers that takes writes.
    pub(crate) fn url_of(servers: &[&Self], name: &str) -> String {
        let list = |field: fn(&Self) -> String| {
            let fields: Vec<_> = servers.iter().map(|server| field(server)).collect();
            fields.join(",")
        };
        let hosts = list(|server| format!("127.0.0.1:{}", server.port));
        let password = &servers[0].password;
        format!("postgresql://{USER}:{password}@{hosts}/{name}?target_session_attrs=read-write")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}
