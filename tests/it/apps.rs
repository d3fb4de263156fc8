//! The service `Apps` over a real server.

use std::time::Duration;

use clap::Parser as _;
use flowtrail::{
    cli::{Usage, apps, client::ServerOptions},
    config::Policy,
    control::{self, Metrics, Store, Toggles},
    lifecycle::Lifecycle,
    pg::{self, Connector},
    proto::{
        App, ListAppsRequest, SetAppRequest, WatchAppsRequest, WatchAppsResponse,
        apps_client::AppsClient,
    },
    server::{self, Limits, Listener},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming, service::Routes, transport::Channel};

use crate::support::{self, TestDatabase};

struct Served {
    database: TestDatabase,
    toggles: Toggles,
    lifecycle: Lifecycle,
    url: String,
}

impl Served {
    /// A server whose pool reaches `database`, or nobody.
    async fn start(default: Policy, reachable: bool) -> Self {
        let database = support::database().await;
        let (toggles, listener) = Toggles::load(database.connector(), default, Metrics::default())
            .await
            .expect("a first load");
        let lifecycle = Lifecycle::default();
        let end = CancellationToken::new();
        lifecycle.spawn(listener.run(end.clone()));
        let connector = if reachable {
            database.connector()
        } else {
            let nobody = "host=127.0.0.1 port=1 user=nobody dbname=nowhere sslmode=disable";
            Connector::new(nobody, &database.options()).expect("a database URL")
        };
        let store = Store::new(pg::pool(&connector, &database.options()), toggles.clone());
        let service = control::grpc::service(store, toggles.clone(), &lifecycle);
        let port = Listener::bind("127.0.0.1:0".parse().expect("an address"), None)
            .await
            .expect("a free port");
        let url = format!("http://{}", port.local_addr());
        let router = Routes::new(service).into_axum_router();
        let serving = server::serve(port, router, Limits::new(16), lifecycle.clone());
        lifecycle.spawn(async move {
            serving.await;
            end.cancel();
        });
        Self {
            database,
            toggles,
            lifecycle,
            url,
        }
    }

    async fn client(&self) -> AppsClient<Channel> {
        AppsClient::connect(self.url.clone())
            .await
            .expect("the server answers")
    }

    async fn sql(&self, statement: &str) {
        let client = self.database.client().await;
        client.batch_execute(statement).await.expect("SQL");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.lifecycle.abort();
    }
}

fn decision(user: &str, app: &str, enabled: bool) -> SetAppRequest {
    SetAppRequest {
        user: user.into(),
        app: app.into(),
        persistence_enabled: enabled,
    }
}

async fn next(watch: &mut Streaming<WatchAppsResponse>) -> Result<WatchAppsResponse, Code> {
    let next = timeout(Duration::from_secs(5), watch.message()).await;
    let next = next.expect("a response within 5 s");
    next.map_err(|status| status.code())
        .map(|response| response.expect("the stream ends with a status"))
}

#[tokio::test]
async fn a_decision_is_stored_listed_and_in_force_when_set_returns() {
    let served = Served::start(Policy::Enabled, true).await;
    let mut client = served.client().await;
    served
        .sql("insert into public.appstate (userid, appname, appversion) values ('acme', 'orders', '7')")
        .await;
    for enabled in [false, true, false] {
        let set = client.set(decision("acme", "orders", enabled)).await;
        let app = set.expect("set").into_inner().app.expect("an app");
        assert_eq!(app.app_version.as_deref(), Some("7"));
        assert_eq!(app.decision, Some(enabled));
        assert_eq!(app.persistence_enabled, enabled);
        assert_eq!(served.toggles.persistence("acme", "orders"), enabled);
    }
    served
        .sql("insert into public.appstate (userid, appname) values ('zeta', 'parcels')")
        .await;
    let mut listed = async |user: Option<&str>| {
        let user = user.map(Into::into);
        let listed = client.list(ListAppsRequest { user }).await;
        listed.expect("a list").into_inner().apps
    };
    let orders = App {
        user: "acme".into(),
        app: "orders".into(),
        app_version: Some("7".into()),
        decision: Some(false),
        persistence_enabled: false,
    };
    let parcels = App {
        user: "zeta".into(),
        app: "parcels".into(),
        app_version: None,
        decision: None,
        persistence_enabled: true,
    };
    assert_eq!(listed(None).await, [orders.clone(), parcels.clone()]);
    assert_eq!(listed(Some("zeta")).await, [parcels]);
    assert_eq!(listed(Some("acme")).await, [orders]);
}

#[tokio::test]
async fn a_watch_tells_all_apps_then_each_change_and_ends_with_the_server() {
    let served = Served::start(Policy::Disabled, true).await;
    let mut client = served.client().await;
    client
        .set(decision("acme", "orders", true))
        .await
        .expect("set");
    let all = WatchAppsRequest { user: None };
    let mut watch = client.watch(all).await.expect("a watch").into_inner();
    let user = Some("zeta".into());
    let of_zeta = client.watch(WatchAppsRequest { user }).await;
    let mut of_zeta = of_zeta.expect("a watch").into_inner();

    let first = next(&mut watch).await.expect("all apps");
    assert!(first.initial);
    assert_eq!(first.changed.len(), 1);
    assert!(first.changed[0].persistence_enabled);
    let first = next(&mut of_zeta).await.expect("no app of this user");
    assert!(first.initial && first.changed.is_empty());

    served
        .sql("update public.appstate set persistenceenabled = false")
        .await;
    let turned = next(&mut watch).await.expect("a change");
    assert!(!turned.initial);
    assert_eq!(turned.changed[0].decision, Some(false));

    client
        .set(decision("zeta", "parcels", true))
        .await
        .expect("set");
    for watch in [&mut watch, &mut of_zeta] {
        let new = next(watch).await.expect("a new app");
        assert_eq!(new.changed.len(), 1);
        assert_eq!(new.changed[0].app, "parcels");
    }

    served
        .sql("delete from public.appstate where userid = 'zeta'")
        .await;
    let gone = next(&mut of_zeta).await.expect("a deleted row");
    assert_eq!(gone.changed[0].decision, None);
    assert!(!gone.changed[0].persistence_enabled);

    served.lifecycle.stop();
    assert_eq!(next(&mut of_zeta).await, Err(Code::Unavailable));
    assert!(served.lifecycle.join(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_slow_watcher_sees_the_newest_state_and_holds_nobody_up() {
    let served = Served::start(Policy::Enabled, true).await;
    let mut client = served.client().await;
    // Enough for pages, and for more than the window of a stream that nobody reads.
    served
        .sql(
            "insert into public.appstate (userid, appname, persistenceenabled)
              select 'acme', rpad(n::text, 400, '.'), true from generate_series(1, 5000) n",
        )
        .await;
    served.toggles.reloaded().await;
    let all = WatchAppsRequest { user: None };
    let mut slow = client.watch(all).await.expect("a watch").into_inner();
    for round in 0..4 {
        let enabled = round % 2 == 1;
        served
            .sql(&format!(
                "update public.appstate set persistenceenabled = {enabled}"
            ))
            .await;
        let set = timeout(
            Duration::from_secs(5),
            client.set(decision("acme", "orders", enabled)),
        );
        set.await.expect("nobody waits").expect("set");
    }
    client
        .set(decision("acme", "orders", false))
        .await
        .expect("set");
    let (mut responses, mut initial) = (0, 0);
    loop {
        let response = next(&mut slow).await.expect("a response");
        responses += 1;
        initial += usize::from(response.initial);
        assert!(response.changed.len() <= 1000);
        let newest = |app: &App| app.app == "orders" && !app.persistence_enabled;
        if initial == 1 && response.changed.iter().any(newest) {
            break;
        }
    }
    assert_eq!(initial, 1);
    assert!(responses < 40, "{responses}");
}

#[tokio::test]
async fn what_cannot_be_a_name_is_refused_with_its_field() {
    let served = Served::start(Policy::Enabled, true).await;
    let mut client = served.client().await;
    for (user, app, field) in [
        ("", "orders", "`user`"),
        ("acme", "", "`app`"),
        ("acme", "a\0b", "`app`"),
        (&*"u".repeat(513), "orders", "`user`"),
    ] {
        let refused = client.set(decision(user, app, true)).await;
        let status = refused.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{status}");
    }
    assert!(served.toggles.apps().is_empty());
}

#[tokio::test]
async fn without_a_database_calls_are_unavailable_and_a_watch_goes_on() {
    let served = Served::start(Policy::Enabled, false).await;
    let mut client = served.client().await;
    let listed = client.list(ListAppsRequest { user: None }).await;
    let status = listed.expect_err("no database");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(!status.message().contains("127.0.0.1"), "{status}");
    let set = client.set(decision("acme", "orders", true)).await;
    assert_eq!(set.expect_err("no database").code(), Code::Unavailable);
    let watch = client.watch(WatchAppsRequest { user: None }).await;
    let first = next(&mut watch.expect("a watch").into_inner()).await;
    assert!(first.expect("the snapshot").initial);
}

#[derive(clap::Parser)]
struct Program {
    #[command(flatten)]
    apps: apps::Args,
}

async fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let program = Program::try_parse_from([&["flowtrail"], arguments].concat())?;
    apps::run(program.apps).await
}

#[tokio::test]
async fn the_command_decides_over_the_server() {
    let served = Served::start(Policy::Enabled, true).await;
    let there = ["--server", &served.url];
    let disable = ["disable", "orders", "--user", "acme"];
    run(&[&disable[..], &there].concat())
        .await
        .expect("disables");
    assert!(!served.toggles.persistence("acme", "orders"));
    run(&[&["enable", "orders"], &there[..]].concat())
        .await
        .expect("enables");
    let apps = served.toggles.apps();
    assert!(
        apps.iter()
            .any(|app| app.user == "flogo" && app.decision == Some(true))
    );
    let list = ["list", "--output", "json"];
    run(&[&list[..], &there].concat()).await.expect("lists");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_one_line_with_a_remedy() {
    let options = |server: &str| ServerOptions {
        server: server.into(),
        tls_ca: None,
        tls_cert: None,
        tls_key: None,
    };
    let refused = options("http://127.0.0.1:1").channel().await;
    assert_eq!(
        format!("{:#}", refused.expect_err("nobody there")),
        "cannot reach http://127.0.0.1:1: is `flowtrail serve` running there?"
    );
    for wrong in ["127.0.0.1:9190", "ftp://host", "http://", ""] {
        let error = options(wrong).channel().await.expect_err("not a URL");
        assert!(error.is::<Usage>(), "{wrong}: {error}");
    }
    let mut encrypted = options("http://127.0.0.1:1");
    encrypted.tls_ca = Some("ca.pem".into());
    let error = encrypted.channel().await.expect_err("not encrypted");
    assert!(error.is::<Usage>(), "{error}");
}
