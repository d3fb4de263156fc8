//! Decisions on apps while streams are open, on every server of a database.

use std::time::Duration;

use clap::Parser as _;
use flowtrail::{
    app::Running,
    cli::apps,
    proto::{Ack, record_response::Message as Response},
};
use tokio::time::timeout;

use crate::support::{self, Stream, TestDatabase, count, end, eventually, hello, start, step};

/// A decision is in force everywhere within this time.
const SECOND: Duration = Duration::from_secs(1);

/// Two servers of one database, each with a stream of the same app.
struct Pair {
    database: TestDatabase,
    servers: [Running; 2],
    streams: [Stream; 2],
}

impl Pair {
    async fn start(flags: &[&str], enabled: bool) -> Self {
        let database = support::database().await;
        let servers = [
            support::serve(&database.url, flags).await,
            support::serve(&database.url, flags).await,
        ];
        let (one, welcome) = Stream::greet(servers[0].local_addr(), hello("orders")).await;
        assert_eq!(welcome.persistence_enabled, enabled);
        let (two, welcome) = Stream::greet(servers[1].local_addr(), hello("orders")).await;
        assert_eq!(welcome.persistence_enabled, enabled);
        Self {
            database,
            servers,
            streams: [one, two],
        }
    }

    /// `flowtrail apps WHAT orders` against the first server.
    async fn apps(&self, what: &str) {
        let server = format!("http://{}", self.servers[0].local_addr());
        let words = [
            "apps", what, "orders", "--user", "acme", "--server", &server,
        ];
        let program = Program::try_parse_from(words).expect("the command");
        apps::run(program.apps).await.expect("the server decides");
    }

    async fn sql(&self, statement: &str) {
        let client = self.database.client().await;
        client.batch_execute(statement).await.expect("SQL");
    }

    /// Both streams are told within a second.
    async fn told(&mut self, enabled: bool) {
        for stream in &mut self.streams {
            let told = timeout(SECOND, stream.next()).await;
            match told.expect("within a second").expect("the stream goes on") {
                Some(Response::PersistenceChanged(change)) => {
                    assert_eq!(change.persistence_enabled, enabled);
                }
                other => panic!("a change, not {other:?}"),
            }
        }
    }

    /// Each stream reports an instance of its own from begin to end; the counts of each.
    async fn report(&mut self, name: &str) -> [Ack; 2] {
        let mut acks = [Ack::default(), Ack::default()];
        for (at, stream) in self.streams.iter_mut().enumerate() {
            let id = format!("{name}-{at}");
            let events = [
                start(&id, 1),
                step(&id, 0),
                step(&id, 1),
                end(&id, Some(1), 2),
            ];
            stream.chunk(events).await;
            acks[at] = stream.ack().await;
        }
        acks
    }

    async fn stop(self) {
        for stream in self.streams {
            stream.finish().await;
        }
        for server in self.servers {
            server.stop().await.unwrap();
        }
    }
}

#[derive(clap::Parser)]
struct Program {
    #[command(flatten)]
    apps: apps::Args,
}

const ROWS: &str = "select (select count(*) from steps) + (select count(*) from flowstate)
    + (select count(*) from flowtrail.attempts)";

/// What switches an app off, and on again.
enum Switch {
    Command,
    Sql,
}

impl Switch {
    async fn turn(&self, pair: &Pair, enabled: bool) {
        match self {
            Self::Command if enabled => pair.apps("enable").await,
            Self::Command => pair.apps("disable").await,
            Self::Sql => {
                let set = format!(
                    "update public.appstate set persistenceenabled = {enabled}
                    where userid = 'acme' and appname = 'orders'"
                );
                pair.sql(&set).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_reaches_open_streams_on_every_server_within_a_second() {
    for switch in [Switch::Command, Switch::Sql] {
        let mut pair = Pair::start(&[], true).await;
        for at in 0..2 {
            let id = format!("begun-{at}");
            pair.streams[at].chunk([start(&id, 1), step(&id, 0)]).await;
            assert_eq!(pair.streams[at].ack().await.recorded, 2);
        }
        let before = count(&pair.database, ROWS).await;

        switch.turn(&pair, false).await;
        pair.told(false).await;
        for ack in pair.report("off").await {
            // its end finds no instance to complete
            assert_eq!((ack.skipped, ack.recorded, ack.completed), (4, 0, 0));
        }
        assert_eq!(count(&pair.database, ROWS).await, before);

        // begun on the one server, ended on the other
        for at in 0..2 {
            let id = format!("begun-{}", 1 - at);
            pair.streams[at]
                .chunk([step(&id, 1), end(&id, Some(1), 3), end("unknown", None, 3)])
                .await;
            let ack = pair.streams[at].ack().await;
            assert_eq!((ack.completed, ack.skipped, ack.recorded), (1, 2, 0));
        }
        assert_eq!(count(&pair.database, ROWS).await, before);
        let ended = "select count(*) from flowstate where executiontime = '2000.000'";
        assert_eq!(count(&pair.database, ended).await, 2);

        switch.turn(&pair, true).await;
        pair.told(true).await;
        for ack in pair.report("on").await {
            assert_eq!((ack.recorded, ack.skipped), (4, 0));
        }
        // the gap stays
        for at in 0..2 {
            pair.streams[at]
                .chunk([step(&format!("off-{at}"), 2)])
                .await;
            assert_eq!(pair.streams[at].ack().await.recorded, 1);
        }
        let gap = "select count(*) from steps where flowinstanceid like 'off-%'";
        assert_eq!(count(&pair.database, gap).await, 2);
        pair.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_recorded_unless_asked_for_an_app_is_asked_for() {
    let mut pair = Pair::start(&["--default-persistence", "disabled"], false).await;
    for ack in pair.report("off").await {
        assert_eq!((ack.skipped, ack.recorded), (4, 0));
    }
    assert_eq!(count(&pair.database, ROWS).await, 0);
    pair.apps("enable").await;
    pair.told(true).await;
    for ack in pair.report("on").await {
        assert_eq!((ack.recorded, ack.skipped), (4, 0));
    }
    pair.sql("update public.appstate set persistenceenabled = null")
        .await;
    pair.told(false).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unseen_app_is_registered_once_and_undecided() {
    for policy in ["enabled", "disabled"] {
        let flags = ["--default-persistence", policy];
        let mut pair = Pair::start(&flags, policy == "enabled").await;
        tokio::join!(async {
            for number in 0..5 {
                pair.report(&format!("r{number}")).await;
            }
        });
        let registered =
            "select count(*) from appstate where userid = 'acme' and appname = 'orders'
            and appversion = '1.0.0' and persistenceenabled is null";
        assert_eq!(count(&pair.database, registered).await, 1, "{policy}");
        assert_eq!(
            count(&pair.database, "select count(*) from appstate").await,
            1
        );

        let mut newer = hello("orders");
        newer.app_version = "2.0.0".into();
        let (mut stream, _) = Stream::greet(pair.servers[1].local_addr(), newer).await;
        stream.chunk([step("newer", 0)]).await;
        stream.ack().await;
        stream.finish().await;
        let version = registered.replace("1.0.0", "2.0.0");
        // this server may have written 1.0.0 less than a minute ago; then the other one has not
        let versions =
            count(&pair.database, &version).await + count(&pair.database, registered).await;
        assert_eq!(versions, 1, "{policy}: one row, one version");
        pair.stop().await;
    }
}

/// Sends events of a version that is not registered while `lock` is held.
async fn check_locked(before: &str, lock: &str) {
    let database = support::database().await;
    let client = database.client().await;
    client.batch_execute(before).await.unwrap();
    let service = support::serve(&database.url, &[]).await;
    client.batch_execute("begin").await.unwrap();
    client.batch_execute(lock).await.unwrap();
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let many = async {
        for number in 0..5 {
            stream.chunk([step("i1", number)]).await;
            assert_eq!(stream.ack().await.recorded, 1);
        }
    };
    let in_time = timeout(Duration::from_secs(5), many).await;
    assert!(in_time.is_ok(), "events wait for: {lock}");
    client.batch_execute("rollback").await.unwrap();
    let mut number = 5;
    eventually("the app has a row", async || {
        stream.chunk([step("i1", number)]).await;
        number += 1;
        assert_eq!(stream.ack().await.recorded, 1);
        count(&database, "select count(*) from appstate").await == 1
    })
    .await;
    stream.finish().await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_row_of_an_app_does_not_hold_up_its_events() {
    let row = "insert into public.appstate (userid, appname, appversion) values ('acme', 'orders', '0.9')";
    let nothing = "select 1";
    check_locked(row, "select from public.appstate for update").await;
    check_locked(row, "update public.appstate set persistenceenabled = true").await;
    check_locked(row, "delete from public.appstate").await;
    check_locked(nothing, row).await;
    check_locked(nothing, "lock table public.appstate in share mode").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_registered_also_when_none_of_its_events_is_written() {
    let database = support::database().await;
    let flags = ["--lanes", "8", "--default-persistence", "disabled"];
    let service = support::serve(&database.url, &flags).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    // a busy machine may take longer than a registration is waited for; then the next chunk asks
    eventually("the app has a row", async || {
        stream.chunk([step("i1", 0)]).await;
        assert_eq!(stream.ack().await.skipped, 1);
        count(&database, "select count(*) from appstate").await == 1
    })
    .await;
    stream.finish().await;
    service.stop().await.unwrap();
}
