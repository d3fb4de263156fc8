//! The line to the database is cut, held and slowed in the middle of writing.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use crate::support::{self, BIG, Load, Program, Proxy, SMALL, Shape, eventually, serve, verify};

/// Under load `harm` is done to the line five times, and everything arrives once.
async fn survives(flags: &[&str], shape: Shape, harm: impl AsyncFn(&Proxy, usize)) {
    let database = support::database().await;
    let (proxy, url) = database.line().await;
    let service = serve(&url, flags).await;
    let load = Load::start(service.local_addr(), "l", 3, shape).await;
    for round in 0..5 {
        load.progress(3).await;
        harm(&proxy, round).await;
    }
    load.progress(3).await;
    let ledgers = load.finish().await;
    for ledger in &ledgers {
        ledger.end.as_ref().expect("the streams are not harmed");
        assert_eq!(ledger.acked, ledger.sent);
    }
    verify(&database.client().await, &ledgers).await;
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_cut_in_the_middle_of_a_copy_loses_nothing() {
    // 1 MiB chunks in messages of 128 KiB: these lie inside of a COPY
    let harm = async |proxy: &Proxy, round| proxy.cut_after(50_000 + 130_000 * round);
    survives(&["--lanes", "1"], BIG, harm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_cut_at_any_moment_loses_nothing() {
    survives(&[], SMALL, async |proxy, _| {
        super::moment().await;
        proxy.cut();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_loses_nothing() {
    survives(&[], SMALL, async |proxy, _| {
        proxy.slow(16 << 10, Duration::from_millis(20));
    })
    .await;
}

/// A COPY inserts, and locks, from its thousandth row on.
const MANY: Shape = Shape {
    steps: 2_000,
    bytes: 100,
};
/// One lane, so that what is caught is all there is.
const ONE_LANE: &str = "--lanes 1 --statement-timeout 2s --max-unanswered-chunks 4";

/// Whether a session stands in the middle of a COPY, waiting for a client that says nothing.
async fn caught(client: &Client) -> bool {
    let caught = "select exists (select from pg_stat_activity where datname = current_database()
        and wait_event = 'ClientRead' and backend_xid is not null and now() - query_start > '1 s')";
    client.query_one(caught, &[]).await.unwrap().get(0)
}

/// Holds the line again and again until it has [`caught`] one.
async fn catch(proxy: &Proxy, load: &Load, client: &Client) {
    eventually("transaction caught in the middle", async || {
        proxy.hold_after(300_000);
        load.progress(1).await;
        let held = Instant::now();
        while held.elapsed() < Duration::from_millis(1_500) {
            if caught(client).await {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    })
    .await;
}

/// A network that has forgotten the connections: no end is told, so the old session stands in the
/// database with its locks, in the middle of its transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_falls_silent_in_the_middle_of_a_copy_is_given_up() {
    let database = support::database().await;
    let (proxy, url) = database.line().await;
    let flags: Vec<_> = ONE_LANE.split(' ').collect();
    let service = serve(&url, &flags).await;
    let load = Load::start(service.local_addr(), "h", 3, MANY).await;
    let client = database.client().await;
    catch(&proxy, &load, &client).await;
    load.progress(5).await;
    assert!(!caught(&client).await, "the old session is ended");
    let ledgers = load.finish().await;
    for ledger in &ledgers {
        ledger.end.as_ref().expect("the streams are not harmed");
    }
    verify(&client, &ledgers).await;
    service.stop().await.unwrap();
}

/// The same, and the service that could end the old session is gone as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_knows_any_more_does_not_keep_its_locks() {
    let database = support::database().await;
    let (proxy, url) = database.line().await;
    let flags: Vec<_> = ["--database-url", &url]
        .into_iter()
        .chain(ONE_LANE.split(' '))
        .collect();
    let mut program = Program::serve(&flags).await;
    let load = Load::start(program.address, "u", 3, MANY).await;
    let client = database.client().await;
    catch(&proxy, &load, &client).await;
    program.kill9();
    let mut ledgers = load.ended().await;
    let mut program = Program::serve(&flags).await;
    for ledger in &mut ledgers {
        ledger.resend(program.address).await;
    }
    verify(&client, &ledgers).await;
    assert_eq!(program.terminate().await, Some(0));
}
