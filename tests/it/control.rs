//! Decisions reach the snapshot, whatever happens to the connection.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use flowtrail::{
    config::Policy,
    control::{Listener, Metrics, Toggles},
    lifecycle::Lifecycle,
    pg::Connector,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    time::timeout,
};
use tokio_postgres::config::Host;
use tokio_util::sync::CancellationToken;

use crate::support::{self, TestDatabase};

const SECOND: Duration = Duration::from_secs(1);
/// How long a lost connection may take to be noticed and replaced, on a busy machine.
const RECOVERY: Duration = Duration::from_secs(8);

/// Toggles that follow a database of their own.
struct Followed {
    database: TestDatabase,
    client: tokio_postgres::Client,
    toggles: Toggles,
    changes: watch::Receiver<u64>,
    lifecycle: Lifecycle,
}

impl Followed {
    async fn start(default: Policy) -> Self {
        let database = support::database().await;
        let connector = database.connector();
        Self::over(database, connector, default, Metrics::default()).await
    }

    async fn over(
        database: TestDatabase,
        connector: Connector,
        default: Policy,
        metrics: Metrics,
    ) -> Self {
        let (toggles, listener) = Toggles::load(connector, default, metrics)
            .await
            .expect("a first load");
        let lifecycle = Lifecycle::default();
        lifecycle.spawn(listener.run(CancellationToken::new()));
        Self {
            client: database.client().await,
            changes: toggles.changes(),
            toggles,
            lifecycle,
            database,
        }
    }

    async fn sql(&self, statement: &str) {
        let done = self.client.batch_execute(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    async fn decide(&self, enabled: bool) {
        self.sql(&format!(
            "insert into public.appstate (userid, appname, persistenceenabled)
             values ('acme', 'orders', {enabled})
             on conflict (userid, appname) do update set persistenceenabled = {enabled}"
        ))
        .await;
    }

    /// Waits until the snapshot holds this decision.
    async fn holds(&mut self, enabled: bool, within: Duration) {
        let reached = async {
            while self.toggles.persistence("acme", "orders") != enabled {
                self.changes.changed().await.expect("toggles are open");
            }
        };
        let reached = timeout(within, reached).await;
        assert!(reached.is_ok(), "{enabled} not within {within:?}");
    }

    /// Cuts the connection of the listener.
    async fn terminate(&self) {
        let cut = self
            .client
            .query(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
                &[],
            )
            .await
            .expect("may terminate");
        assert!(!cut.is_empty(), "nobody was connected");
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.lifecycle.abort();
    }
}

#[tokio::test]
async fn plain_sql_reaches_the_snapshot_at_once_through_the_trigger() {
    let mut followed = Followed::start(Policy::Enabled).await;
    let begun = Instant::now();
    for round in 0..12 {
        let enabled = round % 2 == 1;
        followed.decide(enabled).await;
        followed.holds(enabled, SECOND).await;
    }
    // The tick alone would take half a second for each.
    assert!(begun.elapsed() < SECOND * 3, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn plain_sql_reaches_the_snapshot_within_a_second_without_the_trigger() {
    let mut followed = Followed::start(Policy::Enabled).await;
    followed
        .sql("drop trigger flowtrail_toggle_changed on public.appstate")
        .await;
    for enabled in [false, true] {
        followed.decide(enabled).await;
        followed.holds(enabled, SECOND).await;
    }
    followed.decide(false).await;
    followed.holds(false, SECOND).await;
    followed.sql("delete from public.appstate").await;
    followed.holds(true, SECOND).await;
    assert!(followed.toggles.apps().is_empty());
}

#[tokio::test]
async fn the_default_holds_for_apps_without_a_decision() {
    let mut followed = Followed::start(Policy::Disabled).await;
    let toggles = followed.toggles.clone();
    assert!(!toggles.persistence("acme", "unheard"));
    followed
        .sql("insert into public.appstate (userid, appname, appversion) values ('acme', 'orders', '1')")
        .await;
    toggles.reloaded().await;
    assert!(!toggles.unregistered("acme", "orders", "1"));
    assert!(!toggles.persistence("acme", "orders"));
    followed.decide(true).await;
    followed.holds(true, SECOND).await;
}

#[tokio::test]
async fn a_terminated_connection_is_replaced_and_catches_up() {
    let mut followed = Followed::start(Policy::Enabled).await;
    followed.terminate().await;
    followed.decide(false).await;
    followed.holds(false, RECOVERY).await;

    // The new connection listens too: this is faster than the tick alone.
    let begun = Instant::now();
    for round in 1..13 {
        let enabled = round % 2 == 1;
        followed.decide(enabled).await;
        followed.holds(enabled, SECOND).await;
    }
    assert!(begun.elapsed() < SECOND * 3, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_last_snapshot_stays_in_force_while_the_table_cannot_be_read() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let database = support::database().await;
    let connector = database.connector();
    let mut followed = Followed::over(database, connector, Policy::Enabled, metrics).await;
    followed.decide(false).await;
    followed.holds(false, SECOND).await;

    let away = "alter table public.appstate rename to elsewhere";
    followed.sql(away).await;
    let grown = async {
        while followed.toggles.age() < SECOND {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(RECOVERY, grown).await.expect("the age grows");
    assert!(!followed.toggles.persistence("acme", "orders"));
    let mut text = String::new();
    encode(&mut text, &registry).expect("metrics");
    let failed = r#"flowtrail_toggles_reload_failures_total{reason="statement"}"#;
    assert!(text.contains(failed), "{text}");
    assert!(text.contains("flowtrail_toggles_apps 1"), "{text}");
    let seconds = text
        .lines()
        .find_map(|line| line.strip_prefix("flowtrail_toggles_age_seconds "))
        .and_then(|seconds| seconds.parse::<f64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= 1.0), "{text}");

    followed
        .sql("alter table public.elsewhere rename to appstate; update public.appstate set persistenceenabled = true")
        .await;
    followed.holds(true, RECOVERY).await;
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_and_replaced() {
    let database = support::database().await;
    let line = Line::to(&database.url).await;
    let connector = Connector::new(&line.url, &database.options()).expect("a database URL");
    let metrics = Metrics::default();
    let mut followed = Followed::over(database, connector, Policy::Enabled, metrics).await;
    line.freeze();
    followed.decide(false).await;
    followed.holds(false, RECOVERY).await;
    assert!(!followed.database.url.is_empty());
    line.lifecycle.abort();
}

#[tokio::test]
async fn toggles_kept_from_an_earlier_run_hold_until_the_first_load() {
    let database = support::database().await;
    let kept = flowtrail::control::App {
        user: "acme".into(),
        app: "orders".into(),
        version: None,
        decision: Some(false),
    };
    let toggles = Toggles::new(Policy::Enabled, [kept], Metrics::default());
    assert!(!toggles.persistence("acme", "orders"));
    let mut listener = Listener::new(database.connector(), toggles.clone());
    listener.load().await.expect("a first load");
    assert!(toggles.persistence("acme", "orders"));
}

/// A line to the database that can go silent without closing, as when a cable is cut.
struct Line {
    url: String,
    frozen: Arc<Mutex<CancellationToken>>,
    lifecycle: Lifecycle,
}

impl Line {
    async fn to(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().expect("a database URL");
        let server = config.get_hosts()[0].clone();
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("bound").port();
        let user = config.get_user().expect("a user");
        let password = config.get_password().unwrap_or_default();
        let password = String::from_utf8_lossy(password);
        let name = config.get_dbname().expect("a database");
        let frozen = Arc::new(Mutex::new(CancellationToken::new()));
        let lifecycle = Lifecycle::default();
        let (tasks, current) = (lifecycle.clone(), Arc::clone(&frozen));
        lifecycle.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let frozen = current.lock().expect("not poisoned").clone();
                match &server {
                    Host::Unix(path) => {
                        let path = path.join(format!(".s.PGSQL.{port}"));
                        let far = UnixStream::connect(path).await.expect("the database");
                        tasks.spawn(pass(near, far, frozen));
                    }
                    Host::Tcp(host) => {
                        let far = TcpStream::connect((host.as_str(), port)).await;
                        tasks.spawn(pass(near, far.expect("the database"), frozen));
                    }
                }
            }
        });
        Self {
            url: format!(
                "host=127.0.0.1 port={own} user={user} password='{password}' dbname={name} sslmode=disable"
            ),
            frozen,
            lifecycle,
        }
    }

    /// Silences the connections there are; later ones work.
    fn freeze(&self) {
        let mut frozen = self.frozen.lock().expect("not poisoned");
        std::mem::take(&mut *frozen).cancel();
    }
}

async fn pass(
    mut near: TcpStream,
    mut far: impl AsyncRead + AsyncWrite + Unpin,
    frozen: CancellationToken,
) {
    let copying = copy_bidirectional(&mut near, &mut far);
    if frozen.run_until_cancelled(copying).await.is_none() {
        std::future::pending::<()>().await;
    }
}
