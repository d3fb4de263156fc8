//! The private PostgreSQL: it keeps its rows, comes back after a crash, and belongs to one service.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use flowtrail::{
    cli, config,
    pg::{
        embedded::{Embedded, Error, Missing},
        migrate,
    },
};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio_postgres::Client;

use crate::support::{self, DataDir};

fn options(dir: &DataDir) -> config::Embedded {
    config::Embedded {
        data_dir: dir.path.clone(),
        pg_bin: None,
    }
}

async fn start(dir: &DataDir) -> Result<Embedded, Error> {
    Embedded::start(&options(dir), &no_url()).await
}

fn pid(dir: &DataDir) -> Pid {
    let file = fs::read_to_string(dir.path.join("postgres/data/postmaster.pid")).unwrap();
    Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap()
}

fn no_url() -> config::Database {
    config::Database {
        database_url: None,
        ..support::options("")
    }
}

async fn client(embedded: &Embedded) -> Client {
    embedded.connector().connect("test", |_| ()).await.unwrap()
}

async fn kept(embedded: &Embedded) -> i64 {
    let client = client(embedded).await;
    let row = client
        .query_one("select count(*) from public.kept", &[])
        .await
        .unwrap();
    row.get(0)
}

async fn keep_one_row(embedded: &Embedded) {
    client(embedded)
        .await
        .batch_execute("create table public.kept as select 1 as n")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_kept_server_that_is_killed_comes_back_with_its_rows() {
    let dir = DataDir::new("data");
    let embedded = start(&dir).await.unwrap();
    keep_one_row(&embedded).await;
    let connector = embedded.connector();
    let kept = embedded.keep();
    let killed = pid(&dir);
    kill_process(killed, Signal::KILL).unwrap();
    support::eventually("a new server", async || {
        let Ok(client) = connector.connect("test", |_| ()).await else {
            return false;
        };
        let row = client
            .query_one("select count(*) from public.kept", &[])
            .await;
        row.is_ok_and(|row| row.get::<_, i64>(0) == 1)
    })
    .await;
    assert_ne!(pid(&dir), killed);
    kept.stop().await.unwrap();
    assert!(!dir.path.join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn rows_outlive_a_stop() {
    let dir = DataDir::new("data");
    let embedded = start(&dir).await.unwrap();
    keep_one_row(&embedded).await;
    let setting = |name: &'static str| {
        let client = client(&embedded);
        async move {
            let row = client
                .await
                .query_one("select current_setting($1)", &[&name])
                .await
                .unwrap();
            row.get::<_, String>(0)
        }
    };
    assert_eq!(setting("fsync").await, "on");
    assert_eq!(setting("data_checksums").await, "on");
    assert_eq!(setting("max_wal_size").await, "4GB");
    assert_eq!(setting("checkpoint_timeout").await, "15min");
    assert_eq!(setting("listen_addresses").await, "");
    assert_eq!(setting("server_encoding").await, "UTF8");
    let mode = fs::metadata(dir.path.join("postgres"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    embedded.stop().await.unwrap();
    assert!(!dir.path.join("postgres/data/postmaster.pid").exists());

    let embedded = start(&dir).await.unwrap();
    assert!(!embedded.adopted());
    assert_eq!(kept(&embedded).await, 1);
    embedded.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_its_rows() {
    let dir = DataDir::new("data");
    let embedded = start(&dir).await.unwrap();
    keep_one_row(&embedded).await;
    // a session that is at work does not notice, and holds up the next server
    let busy = client(&embedded).await;
    let query = busy.simple_query("select count(*) from generate_series(1, 4000000)");
    assert!(
        tokio::time::timeout(Duration::from_millis(100), query)
            .await
            .is_err()
    );
    kill_process(pid(&dir), Signal::KILL).unwrap();
    drop(embedded);
    // the number is somebody else's meanwhile
    let file = dir.path.join("postgres/data/postmaster.pid");
    let text = fs::read_to_string(&file).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(&file, format!("{}\n{rest}", std::process::id())).unwrap();

    let embedded = start(&dir).await.unwrap();
    assert!(!embedded.adopted());
    assert_eq!(kept(&embedded).await, 1);
    embedded.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_whose_service_was_killed_is_adopted() {
    let dir = DataDir::new("data");
    let embedded = start(&dir).await.unwrap();
    keep_one_row(&embedded).await;
    let before = pid(&dir);
    drop(embedded);

    let embedded = start(&dir).await.unwrap();
    assert!(embedded.adopted());
    assert_eq!(pid(&dir), before);
    assert_eq!(kept(&embedded).await, 1);
    embedded.stop().await.unwrap();
    assert!(!dir.path.join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn a_data_directory_has_one_service() {
    let dir = DataDir::new("data");
    let embedded = start(&dir).await.unwrap();
    let error = start(&dir).await.unwrap_err();
    assert!(matches!(error, Error::InUse { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(
        error.to_string().contains("choose another --data-dir"),
        "{error}"
    );
    embedded.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_version_says_what_to_install() {
    let dir = DataDir::new("data");
    let data = dir.path.join("postgres/data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("PG_VERSION"), "99\n").unwrap();
    let error = start(&dir).await.unwrap_err();
    assert!(
        matches!(error, Error::Missing(Missing::Version { wanted: 99, .. })),
        "{error}"
    );
    assert!(
        error.to_string().contains("apt-get install postgresql-99"),
        "{error}"
    );
}

#[tokio::test]
async fn programs_that_are_not_there_are_said_before_anything_is_made() {
    let dir = DataDir::new("data");
    let mut options = options(&dir);
    options.pg_bin = Some(PathBuf::from("/usr/share"));
    let error = Embedded::start(&options, &no_url()).await.unwrap_err();
    assert!(
        matches!(error, Error::Missing(Missing::Named(_))),
        "{error}"
    );
    assert!(!dir.path.exists());
}

#[tokio::test]
async fn a_long_path_has_its_socket_elsewhere() {
    let dir = DataDir::new(&"long".repeat(25));
    let embedded = start(&dir).await.unwrap();
    keep_one_row(&embedded).await;
    assert_eq!(kept(&embedded).await, 1);
    let directory = {
        let sql = "select current_setting('unix_socket_directories')";
        let row = client(&embedded).await.query_one(sql, &[]).await.unwrap();
        row.get::<_, String>(0).replace('"', "")
    };
    assert!(directory.starts_with("/tmp/flowtrail-"), "{directory}");
    let mode = fs::metadata(&directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    embedded.stop().await.unwrap();
    assert!(!Path::new(&directory).exists());
}

#[tokio::test]
async fn a_directory_the_server_cannot_enter_is_named() {
    let dir = DataDir::new("closed/data");
    let closed = dir.path.parent().unwrap();
    fs::create_dir_all(closed).unwrap();
    fs::set_permissions(closed, fs::Permissions::from_mode(0o700)).unwrap();
    let started = start(&dir).await;
    if geteuid().is_root() {
        let error = started.unwrap_err();
        assert!(
            matches!(&error, Error::Closed { directory, .. } if directory == closed),
            "{error}"
        );
        assert!(!dir.path.exists());
    } else {
        started.unwrap().stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why() {
    let dir = DataDir::new("data");
    start(&dir).await.unwrap().stop().await.unwrap();
    break_configuration(&dir.path);
    let error = start(&dir).await.unwrap_err();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

fn break_configuration(data_dir: &Path) {
    let file = data_dir.join("postgres/data/postgresql.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + "\nno_such_setting = 1\n").unwrap();
}

#[tokio::test]
async fn the_command_migrates_it_and_leaves_it_stopped() {
    let dir = DataDir::new("data");
    let args = |dry_run| cli::migrate::Args {
        database: no_url(),
        embedded: options(&dir),
        dry_run,
        print: false,
    };
    cli::migrate::run(args(true)).await.unwrap();
    assert!(!dir.path.exists());
    cli::migrate::run(args(false)).await.unwrap();
    assert!(!dir.path.join("postgres/data/postmaster.pid").exists());
    cli::migrate::run(args(true)).await.unwrap();

    let embedded = start(&dir).await.unwrap();
    let state = migrate::state(&client(&embedded).await).await.unwrap();
    assert_eq!(state, migrate::State::Current);
    embedded.stop().await.unwrap();
}
