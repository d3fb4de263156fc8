//! Decisions on apps, and steps that do not say which app they are of.

use std::time::Duration;

use flowtrail::{app::Running, ingest::sweep};

use super::{END, START, STEPS, end, metric, post, start, step};
use crate::support::{self, Rest, TestDatabase, count, eventually};

const ROWS: &str = "select (select count(*) from steps) + (select count(*) from flowstate)
    + (select count(*) from flowtrail.attempts)";

/// Two servers of one database.
struct Pair {
    database: TestDatabase,
    servers: [Running; 2],
    rest: [Rest; 2],
}

impl Pair {
    async fn start(flags: &[&str]) -> Self {
        let database = support::database().await;
        let servers = [
            support::serve(&database.url, flags).await,
            support::serve(&database.url, flags).await,
        ];
        let rest = [0, 1].map(|at: usize| Rest::new(servers[at].local_addr()));
        Self {
            database,
            servers,
            rest,
        }
    }

    /// Decides on an app and waits until both servers have seen it.
    async fn decide(&self, app: &str, enabled: bool) {
        let client = self.database.client().await;
        let decide = "insert into public.appstate (userid, appname, persistenceenabled)
            values ('acme', $1, $2) on conflict (userid, appname)
            do update set persistenceenabled = excluded.persistenceenabled";
        client.execute(decide, &[&app, &enabled]).await.unwrap();
        for server in &self.servers {
            let reloads = "flowtrail_toggles_reloads_total";
            let address = server.local_addr();
            let seen = metric(address, reloads).await;
            // one that began before the decision may be under way
            eventually("the decision is seen", async || {
                metric(address, reloads).await >= seen + 2
            })
            .await;
        }
    }

    async fn stop(self) {
        for server in self.servers {
            server.stop().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_off_leaves_no_rows_on_any_server() {
    let mut pair = Pair::start(&[]).await;
    pair.decide("orders", false).await;
    let [one, two] = &mut pair.rest;
    post(one, START, &start("orders", "i")).await;
    for number in 0..3 {
        post(two, STEPS, &step("i", number)).await;
        post(one, STEPS, &step("i", 10 + number)).await;
    }
    post(two, END, &end("orders", "i")).await;
    let later = [("Async-Calling", "true")];
    let body = start("orders", "later");
    let (status, ..) = one.request("POST", START, &later, body.as_bytes()).await;
    assert_eq!(status, 202);
    post(two, STEPS, &step("later", 0)).await;
    assert_eq!(count(&pair.database, ROWS).await, 0);
    let noted = "select count(*) from flowtrail.skipped_instances where userid = 'acme' and appname = 'orders'";
    assert_eq!(count(&pair.database, noted).await, 2);
    // another app goes on
    post(one, START, &start("other", "o")).await;
    post(two, STEPS, &step("o", 0)).await;
    assert_eq!(count(&pair.database, ROWS).await, 2);

    pair.decide("orders", true).await;
    let [one, two] = &mut pair.rest;
    post(one, STEPS, &step("i", 20)).await;
    post(two, STEPS, &step("i", 21)).await;
    let steps = "select count(*) from steps where flowinstanceid = 'i' and stepid::int >= 20";
    assert_eq!(count(&pair.database, steps).await, 2);
    assert_eq!(count(&pair.database, ROWS).await, 4);
    // a recorded instance is told apart from a skipped one of the same id
    post(one, START, &start("orders", "i")).await;
    pair.decide("orders", false).await;
    let [one, two] = &mut pair.rest;
    post(one, STEPS, &step("i", 22)).await;
    post(two, STEPS, &step("i", 23)).await;
    post(two, END, &end("orders", "i")).await;
    assert_eq!(count(&pair.database, steps).await, 2);
    let ended =
        "select count(*) from flowstate where flowinstanceid = 'i' and status = 'Completed'";
    assert_eq!(count(&pair.database, ended).await, 1);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_an_instance_that_nobody_knows_is_recorded_and_counted() {
    let mut pair = Pair::start(&[]).await;
    pair.decide("orders", false).await;
    let [one, two] = &mut pair.rest;
    for number in 0..3 {
        post(one, STEPS, &step("unheard", number)).await;
    }
    assert_eq!(count(&pair.database, ROWS).await, 3);
    let unknown = r#"flowtrail_ingest_unknown_instance_steps_total{reason="unknown"}"#;
    let address = pair.servers[0].local_addr();
    assert_eq!(metric(address, unknown).await, 3);
    // its start comes to the other server
    post(two, START, &start("orders", "unheard")).await;
    let mut number = 3;
    eventually("its app is known", async || {
        number += 1;
        post(one, STEPS, &step("unheard", number)).await;
        metric(address, unknown).await < u64::from(number)
    })
    .await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_app_is_off_no_step_is_recorded() {
    let mut pair = Pair::start(&["--default-persistence", "disabled"]).await;
    let [one, two] = &mut pair.rest;
    post(one, STEPS, &step("early", 0)).await;
    post(one, START, &start("orders", "early")).await;
    post(two, END, &end("orders", "early")).await;
    assert_eq!(count(&pair.database, ROWS).await, 0);
    // also of an app that is off it is known who it is
    let registered =
        "select count(*) from appstate where appname = 'orders' and persistenceenabled is null";
    assert_eq!(count(&pair.database, registered).await, 1);
    pair.decide("orders", true).await;
    let [one, two] = &mut pair.rest;
    post(two, STEPS, &step("early", 1)).await;
    post(one, START, &start("orders", "on")).await;
    post(two, STEPS, &step("on", 0)).await;
    post(one, START, &start("other", "off")).await;
    post(two, STEPS, &step("off", 0)).await;
    assert_eq!(count(&pair.database, ROWS).await, 3);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_start_is_answered_when_it_is_noted() {
    let database = support::database().await;
    let flags = ["--rest-wait", "1s", "--default-persistence", "disabled"];
    let service = support::serve(&database.url, &flags).await;
    let client = database.client().await;
    let lock = "begin; lock table flowtrail.skipped_instances in access exclusive mode";
    client.batch_execute(lock).await.unwrap();
    let mut rest = Rest::new(service.local_addr());
    let body = start("orders", "i");
    let (status, ..) = rest.request("POST", START, &[], body.as_bytes()).await;
    assert_eq!(status, 503);
    client.batch_execute("rollback").await.unwrap();
    let noted = "select count(*) from flowtrail.skipped_instances where flowinstanceid = 'i'";
    eventually("noted", async || count(&database, noted).await == 1).await;
    post(&mut rest, START, &body).await;

    let old = "update flowtrail.skipped_instances set noted_at = noted_at - interval '25 hours'";
    client.batch_execute(old).await.unwrap();
    post(&mut rest, START, &start("orders", "new")).await;
    sweep::sweep(service.pool()).await.unwrap();
    let left = "select count(*) from flowtrail.skipped_instances";
    eventually("forgotten after a day", async || {
        count(&database, left).await == 1
    })
    .await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_recorded_when_nobody_says_which_app_it_is_of() {
    let mut pair = Pair::start(&[]).await;
    pair.decide("orders", false).await;
    let client = pair.database.client().await;
    let lock = "begin; lock table flowtrail.skipped_instances in access exclusive mode";
    client.batch_execute(lock).await.unwrap();
    let asked = std::time::Instant::now();
    post(&mut pair.rest[0], STEPS, &step("i", 0)).await;
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(count(&pair.database, ROWS).await, 1);
    let unanswered = r#"flowtrail_ingest_unknown_instance_steps_total{reason="unanswered"}"#;
    let address = pair.servers[0].local_addr();
    assert_eq!(metric(address, unanswered).await, 1);
    client.batch_execute("rollback").await.unwrap();
    pair.stop().await;
}
