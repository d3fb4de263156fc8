//! The way to PostgreSQL: which server, refusals in one line, messages in order.

mod check;
mod direct;
mod pool;
mod server;
mod tls;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use flowtrail::{
    config::Database,
    pg::{self, Connector, Error, Retry},
};
use server::{PASSWORD, Servers};
use tokio_postgres::{AsyncMessage, Client};

use crate::support;

fn settings() -> Database {
    Database {
        database_url: None,
        database_url_file: None,
        flogo_config: None,
        pool_size: 2,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(30),
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Words for the primary by the name in its certificate.
fn primary(servers: &Servers, words: &str) -> String {
    format!(
        "host=localhost hostaddr=127.0.0.1 port={} dbname=postgres user=flowtrail password={} {words}",
        servers.primary.port,
        quoted(PASSWORD)
    )
}

async fn connect(url: &str) -> Result<Client, Error> {
    Connector::new(url, &settings())?
        .connect("test", |_| ())
        .await
}

async fn connects(url: &str) -> Client {
    match connect(url).await {
        Ok(client) => client,
        Err(error) => panic!("{error}"),
    }
}

/// The one line of a connection that must fail, with each of `parts` in it.
async fn fails(url: &str, parts: &[&str]) -> Error {
    let error = connect(url).await.expect_err(url);
    let line = error.to_string();
    for part in parts {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    assert!(!line.contains('\n') && line.contains("; "), "{line}");
    assert!(!format!("{line}{error:?}").contains(PASSWORD), "{line}");
    error
}

async fn text(client: &Client, sql: &str) -> String {
    let row = client.query_one(sql, &[]).await;
    row.expect(sql).get(0)
}

#[tokio::test]
async fn a_refused_login_is_one_line_with_its_remedy() {
    let servers = Servers::shared().await;
    let url = primary(&servers, "password=wrong");
    let error = fails(&url, &["28P01", "put the right password"]).await;
    assert!(matches!(error.retry(), Retry::AfterFix(_)), "{error:?}");
    let url = primary(&servers, "dbname=nowhere");
    let error = fails(&url, &["3D000", "create the database"]).await;
    assert!(matches!(error.retry(), Retry::AfterFix(_)), "{error:?}");
    let url = primary(&servers, "").replace("password=", "application_name=");
    fails(&url, &["asks for a password"]).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_one_line_with_its_remedy() {
    let servers = Servers::shared().await;
    let check = async |words: &str, parts: &[&str]| {
        let error = fails(&primary(&servers, words), parts).await;
        assert_eq!(error.retry(), Retry::Backoff, "{error}");
    };
    check(
        "port=1",
        &[
            "localhost:1/postgres",
            "connection refused",
            "start PostgreSQL",
        ],
    )
    .await;
    let name = format!(
        "host=no.such.host.invalid port={} user=u",
        servers.primary.port
    );
    let error = fails(&name, &["cannot be resolved"]).await;
    assert_eq!(error.retry(), Retry::Backoff);
    fails("host=/nowhere user=u", &["no socket", "start PostgreSQL"]).await;

    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let begun = Instant::now();
    check(
        &format!("port={port} connect_timeout=1"),
        &["no answer within 1.0 s"],
    )
    .await;
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_is_away() {
    let servers = Servers::shared().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().expect("an address").port();
    let port = servers.primary.port;
    let several = |hosts: &str, ports: &str, words: &str| {
        let password = quoted(PASSWORD);
        format!(
            "host={hosts} port={ports} dbname=postgres user=flowtrail password={password} {words}"
        )
    };
    let hosts = "127.0.0.1,127.0.0.1";
    connects(&several(hosts, &format!("1,{port}"), "")).await;
    connects(&several(
        hosts,
        &format!("{silent},{port}"),
        "connect_timeout=1",
    ))
    .await;
    connects(&several(
        hosts,
        &format!("1,{port}"),
        "load_balance_hosts=random",
    ))
    .await;
    fails(
        &several(hosts, "1,2", ""),
        &["127.0.0.1:1: nothing", "127.0.0.1:2: nothing"],
    )
    .await;
    // A wrong password ends the search, so that no server sees it twice.
    let url = several(hosts, &format!("{port},1"), "password=wrong");
    let error = fails(&url, &["28P01"]).await;
    assert!(matches!(error, Error::Connect { refusals, .. } if refusals.len() == 1));
}

#[tokio::test]
async fn the_session_attributes_choose_among_servers() {
    let servers = Servers::shared().await;
    let (primary, standby) = (servers.primary.port, servers.standby.port);
    let wanting = |first: u16, second: u16, wanted: &str| {
        let password = quoted(PASSWORD);
        format!(
            "host=127.0.0.1,127.0.0.1 port={first},{second} dbname=postgres user=flowtrail password={password} target_session_attrs={wanted}"
        )
    };
    for (wanted, expected) in [
        ("any", standby),
        ("read-write", primary),
        ("primary", primary),
        ("read-only", standby),
        ("standby", standby),
        ("prefer-standby", standby),
    ] {
        let client = connects(&wanting(standby, primary, wanted)).await;
        let port = text(&client, "select current_setting('port')").await;
        assert_eq!(port, expected.to_string(), "{wanted}");
    }
    connects(&wanting(primary, primary, "prefer-standby")).await;
    fails(
        &wanting(standby, standby, "read-write"),
        &["is read-only", "target_session_attrs"],
    )
    .await;
    fails(&wanting(primary, primary, "standby"), &["is no standby"]).await;
}

#[tokio::test]
async fn a_passfile_knows_the_password() {
    let servers = Servers::shared().await;
    let port = servers.primary.port;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let line = format!("localhost:{port}:*:flowtrail:{escaped}\n");
    std::fs::write(file.path(), line).expect("the file is written");
    let path = file.path().display();
    let url = format!("postgresql://flowtrail@localhost:{port}/postgres?passfile={path}");
    connects(&url).await;
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(file.path(), open).expect("its owner may");
    fails(&url, &["chmod 600"]).await;
}

#[tokio::test]
async fn a_notice_is_seen_before_the_answer_that_follows_it() {
    let servers = Servers::shared().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let connector = Connector::new(&primary(&servers, ""), &settings()).expect("a good URL");
    let client = connector
        .connect("notices", move |message| {
            if let AsyncMessage::Notice(notice) = message {
                sink.lock()
                    .expect("nobody panics")
                    .push(notice.message().to_owned());
            }
        })
        .await
        .expect("the server is there");
    for round in 0..200 {
        let block = format!("do $$ begin raise warning 'round {round}'; end $$");
        client.batch_execute(&block).await.expect("a block");
        let last = seen.lock().expect("nobody panics").last().cloned();
        assert_eq!(last, Some(format!("round {round}")));
    }
    let name = text(&client, "select current_setting('application_name')").await;
    assert_eq!(name, "flowtrail notices");
}

#[tokio::test]
async fn a_connection_ends_with_its_client() {
    let servers = Servers::shared().await;
    let watcher = connects(&primary(&servers, "")).await;
    let url = primary(&servers, "application_name=brief");
    drop(connects(&url).await);
    let count = "select count(*)::text from pg_stat_activity where application_name = 'brief test'";
    let deadline = Instant::now() + Duration::from_secs(10);
    while text(&watcher, count).await != "0" {
        assert!(Instant::now() < deadline, "the session is still there");
    }
}

#[tokio::test]
async fn a_socket_needs_no_url() {
    let servers = Servers::shared().await;
    let dir = servers.primary.dir.path();
    let socket = |port: u16| dir.join(format!(".s.PGSQL.{port}"));
    std::os::unix::fs::symlink(socket(servers.primary.port), socket(5432)).expect("a link");
    let connector = Connector::socket(dir, "flowtrail", "postgres", &settings());
    let client = connector
        .expect("a good directory")
        .connect("test", |_| ())
        .await;
    let client = client.expect("the socket is there");
    assert_eq!(
        text(&client, "select current_user::text").await,
        "flowtrail"
    );
}

#[tokio::test]
async fn answers_that_are_not_to_their_questions_refuse_nothing() {
    let database = support::database().await;
    let client = database.client().await;
    let copy = client.prepare("copy public.steps from stdin").await;
    let copy = copy.unwrap();
    client.batch_execute("begin").await.unwrap();
    client.batch_execute("no statement").await.unwrap_err();
    // the driver ends a COPY that cannot begin a second time
    let copying = client.copy_in::<_, bytes::Bytes>(&copy).await;
    copying.err().expect("the transaction has failed");
    let error = client.query_one(&copy, &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "unexpected message from server");
    assert_eq!(pg::verdict(&error), Retry::Backoff);
    assert!(pg::is_stale(&error), "a pool keeps no such connection");
}
