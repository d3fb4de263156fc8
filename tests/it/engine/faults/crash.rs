//! The engine is killed. What it had sent is recorded; what it had not is lost, and is little.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tokio_postgres::Client;

use super::super::{
    Engine,
    history::{self, TEN},
    process::{Ended, Line, Process},
};
use crate::support::{self, Program, eventually};

/// Moments at which an engine is killed.
const ROUNDS: usize = 5;
/// More flows than an engine comes to run.
const FLOWS: &str = "1000000";
/// Flows a second that a server built for tests, on a machine busy with other tests, keeps up with: what
/// waits for a slow server is lost too.
const RATE: &str = "200";
/// An event is sent within the flush time, 20 ms: that is the window. The rest is for an engine and a
/// test that share two processors with everything else, until the sender runs and has written to the
/// socket, and until the line that says the flow has ended is read.
const WINDOW: Duration = Duration::from_millis(20 + 130);

async fn start(program: &Program, user: &str, rate: &str, wait: &str) -> Process {
    let wait = format!("wait={wait}");
    let words = ["--scenario", TEN, "--flows", FLOWS, "--concurrency", "16"];
    let more = ["--rate", rate, "--metrics-every", "5ms", "--setting", &wait];
    let words = [&words[..], &more].concat();
    Engine::Newest
        .start("flowtrail", user, program.address, &words)
        .await
}

/// The flows whose end was read by then.
fn ended(ended: &Ended, by: Instant) -> BTreeSet<u64> {
    let by = ended.flows().filter(|(at, _)| *at <= by);
    by.map(|(_, number)| number).collect()
}

/// Waits until the tables have the whole of these flows.
async fn recorded(client: &Client, user: &str, flows: &BTreeSet<u64>) {
    let mut missing = flows.clone();
    eventually("the flows that were sent are complete", async || {
        let instances = history::instances(client, user).await;
        missing.retain(|number| !instances.get(number).is_some_and(|it| it.complete(TEN)));
        missing.is_empty()
    })
    .await;
}

/// What was recorded of a killed engine is everything up to some event, and nothing after it.
async fn cut_short(client: &Client, user: &str) {
    for (number, instance) in history::instances(client, user).await {
        assert!(instance.gapless(), "{number}: {instance:?}");
        assert!(
            !instance.ended() || instance.complete(TEN),
            "{number}: {instance:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_engine_loses_no_more_than_it_had_not_sent() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url]).await;
    let client = database.client().await;
    for round in 0..ROUNDS {
        let user = format!("none-{round}");
        let mut engine = start(&program, &user, RATE, "none").await;
        engine.progress(100).await;
        crate::faults::moment().await;
        let killed = Instant::now();
        let engine = engine.kill9().await;
        let sent = ended(&engine, killed.checked_sub(WINDOW).expect("a time"));
        assert!(
            sent.len() >= 50,
            "{} flows ended before the window",
            sent.len()
        );
        recorded(&client, &user, &sent).await;
    }
    assert_eq!(program.terminate().await, Some(0));
    for round in 0..ROUNDS {
        cut_short(&client, &format!("none-{round}")).await;
    }
    assert_eq!(history::copies(&client).await, [0; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_engine_that_waits_for_ends_loses_no_flow_that_ended() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url]).await;
    let client = database.client().await;
    for round in 0..ROUNDS {
        let user = format!("end-{round}");
        // as fast as they are recorded
        let mut engine = start(&program, &user, "0", "end").await;
        engine.progress(100).await;
        crate::faults::moment().await;
        let engine = engine.kill9().await;
        let instances = history::instances(&client, &user).await;
        for number in ended(&engine, Instant::now()) {
            let instance = instances.get(&number);
            assert!(
                instance.is_some_and(|it| it.complete(TEN)),
                "{number}: {instance:?}"
            );
        }
    }
    assert_eq!(program.terminate().await, Some(0));
    for round in 0..ROUNDS {
        cut_short(&client, &format!("end-{round}")).await;
    }
    assert_eq!(history::copies(&client).await, [0; 5]);
}

/// The server has no room and has stopped reading when the engine dies: what lies in its buffers is
/// recorded all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_had_reached_a_busy_server_is_recorded_when_the_engine_is_gone() {
    /// The queue holds less of it than it counts; what a stream may send ahead of its reader is as much
    /// again.
    const QUEUE: u64 = 256 << 10;
    let database = support::database().await;
    let queue = QUEUE.to_string();
    let words = "--max-chunk-bytes 64KiB --max-event-bytes 32KiB --queue-bytes";
    let mut flags: Vec<_> = words.split(' ').collect();
    flags.extend([&queue, "--database-url", &database.url]);
    let mut program = Program::serve(&flags).await;
    let engine = start(&program, "acme", RATE, "none").await;
    eventually("a stream", async || engine.metric("acknowledged") > 0).await;
    let mut other = database.client().await;
    let locked = other.transaction().await.unwrap();
    let lock = "lock table public.steps";
    locked.batch_execute(lock).await.unwrap();
    eventually("more than the queue holds", async || {
        engine.metric("waiting_bytes") > QUEUE
    })
    .await;
    tokio::time::sleep(WINDOW).await;
    let mut engine = engine.kill9().await;
    // the server has seen that it is gone
    tokio::time::sleep(WINDOW).await;
    locked.rollback().await.unwrap();
    // what had ended when as much waited as the server surely had, and surely had not taken
    let bound = QUEUE * 3 / 4..=QUEUE;
    let within = |line: &Line| {
        line.value["metrics"]["waiting_bytes"]
            .as_u64()
            .is_some_and(|bytes| bound.contains(&bytes))
    };
    let last = engine
        .lines
        .iter()
        .rposition(within)
        .expect("a line of metrics in time");
    engine.lines.truncate(last);
    let flows = engine.flows().map(|(_, number)| number).collect();
    recorded(&database.client().await, "acme", &flows).await;
    assert_eq!(program.terminate().await, Some(0));
}
