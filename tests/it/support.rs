//! A private PostgreSQL for the tests, with a database for each.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use flowtrail::{config, pg::Connector};
use tokio_postgres::{Client, NoTls};

const SCHEMA: &str = "
create table public.appstate (
  userid text, appname text, appversion text, persistenceenabled boolean,
  primary key (userid, appname));
create function public.tell() returns trigger language plpgsql as $$
begin
  perform pg_catalog.pg_notify('flowtrail_appstate', '');
  return null;
end $$;
create trigger flowtrail_toggle_changed after insert or update or delete on public.appstate
  for each row execute function public.tell();
";

/// A database of one test.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
}

impl TestDatabase {
    pub(crate) async fn client(&self) -> Client {
        connect(&self.url).await
    }

    pub(crate) fn options(&self) -> config::Database {
        config::Database {
            database_url: Some(self.url.clone()),
            database_url_file: None,
            pool_size: 2,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
        }
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::new(&self.url, &self.options()).expect("a database URL")
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connects");
    #[expect(clippy::disallowed_methods, reason = "it ends with the client")]
    tokio::spawn(connection);
    client
}

pub(crate) async fn database() -> TestDatabase {
    static CLUSTER: OnceLock<(Child, String)> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let (_, directory) = CLUSTER.get_or_init(cluster);
    let url = |name: &str| format!("host={directory} user=postgres dbname={name}");
    let name = format!("it_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let admin = connect(&url("postgres")).await;
    let create = format!("create database {name} template template0");
    admin.batch_execute(&create).await.expect("creates");
    let database = TestDatabase { url: url(&name) };
    let client = database.client().await;
    client.batch_execute(SCHEMA).await.expect("a schema");
    database
}

fn cluster() -> (Child, String) {
    let script = r#"
        set -e
        bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
        dir=$(mktemp -d /tmp/flowtrail-it-XXXXXX)
        $bin/initdb -D $dir/data -A trust -E UTF8 --locale=C >/dev/null
        $bin/pg_ctl -w -D $dir/data -l $dir/log -o "-F -k $dir -c listen_addresses=" start >/dev/null </dev/null
        echo $dir
        read -r _ || true
        $bin/pg_ctl -D $dir/data -m immediate stop >/dev/null || true
        rm -rf $dir
    "#;
    let mut child = Command::new("runuser")
        .args(["-u", "postgres", "--", "sh", "-c", script])
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runuser, as root");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a directory");
    (child, line.trim().into())
}
