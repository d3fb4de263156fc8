//! The service is asked to stop.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tonic::Code;

use super::moment;
use crate::support::{self, Cluster, Load, Program, SMALL, verify};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_answers_what_was_taken() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url]).await;
    let load = Load::start(program.address, "s", 4, SMALL).await;
    load.progress(5).await;
    moment().await;
    assert_eq!(program.terminate().await, Some(0));
    let mut ledgers = load.ended().await;
    for ledger in &ledgers {
        let status = ledger.end.as_ref().expect_err("told to come again");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("the server stops"), "{status:?}");
    }
    let client = database.client().await;
    verify(&client, &ledgers).await;
    // what was taken was answered: nothing is stored that the clients do not know of
    let stored: i64 = client
        .query_one("select count(*) from public.flowstate", &[])
        .await
        .unwrap()
        .get(0);
    let acked: u64 = ledgers.iter().map(|ledger| ledger.acked).sum();
    assert_eq!(u64::try_from(stored), Ok(acked));

    let mut program = Program::serve(&["--database-url", &database.url]).await;
    for ledger in &mut ledgers {
        ledger.resend(program.address).await;
    }
    verify(&client, &ledgers).await;
    assert_eq!(program.terminate().await, Some(0));
}

/// A service whose database has fallen silent under load, and the load.
async fn stuck(cluster: &Cluster, flags: &[&str]) -> (Program, Load) {
    let url = cluster.url("postgres");
    let mut all = vec!["--no-spool", "--database-url", &url];
    all.extend(flags);
    let program = Program::serve(&all).await;
    let load = Load::start(program.address, "s", 4, SMALL).await;
    load.progress(5).await;
    cluster.freeze();
    (program, load)
}

/// Its end after less than `limit`, and that everything is as it should be afterwards.
async fn ends_without_lying(cluster: &Cluster, mut program: Program, load: Load, limit: Duration) {
    let begun = Instant::now();
    assert_eq!(program.ended().await, Some(1));
    assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
    let said = program.said();
    let last = said.lines().last().expect("a failure is said");
    assert!(
        last.starts_with("flowtrail: ") && last.contains("not acknowledged must be sent again"),
        "{last}"
    );
    let ledgers = load.ended().await;
    for ledger in &ledgers {
        ledger
            .end
            .as_ref()
            .expect_err("no OK end: chunks are not answered");
    }
    cluster.thaw();
    verify(&support::connect(&cluster.url("postgres")).await, &ledgers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let cluster = Cluster::start().await;
    let (program, load) = stuck(&cluster, &[]).await;
    program.signal(Signal::TERM);
    support::eventually("stop", async || !program.ready().await).await;
    program.signal(Signal::TERM);
    ends_without_lying(&cluster, program, load, Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_the_database_ends_in_time_and_says_what_is_lost() {
    let cluster = Cluster::start().await;
    let (program, load) = stuck(&cluster, &["--shutdown-timeout", "2s"]).await;
    program.signal(Signal::TERM);
    ends_without_lying(&cluster, program, load, Duration::from_secs(7)).await;
}
