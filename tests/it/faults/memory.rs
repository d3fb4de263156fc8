//! Memory while the database takes nothing.

use std::time::{Duration, Instant};

use crate::support::{self, BIG, Load, Program, Shape, eventually, metric, verify};

/// Bytes of events that may be held.
const BUDGET: usize = 16 << 20;
/// A message on its way, of each stream.
const CHUNK: usize = 1 << 20;
const STREAMS: usize = 50;
/// Everything else that grows: connections, buffers of the allocator.
const ALLOWANCE: usize = 24 << 20;

/// Chunks whose rows are the least of what they take.
const TINY: Shape = Shape {
    steps: 1,
    bytes: 60,
};

async fn held(program: &Program) -> usize {
    metric(program.address, "flowtrail_ingest_queue_bytes").await
}

/// The most that `program` holds for `time` while `steps` is locked and `load` pushes: resident
/// bytes. What it counts itself stays under `budget`.
async fn most(program: &Program, budget: usize, time: Duration) -> usize {
    eventually("full queue", async || held(program).await > budget * 3 / 4).await;
    let until = Instant::now() + time;
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(program.resident_bytes());
        let held = held(program).await;
        assert!(held <= budget, "{held} bytes of {budget}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    most
}

/// What `streams` streams make of a program with a locked table, in resident bytes: before they come,
/// and at most; and its budget. In the end everything is stored.
async fn locked_out(
    flags: &[&str],
    streams: usize,
    shape: Shape,
    time: Duration,
) -> (usize, usize, usize) {
    let database = support::database().await;
    let own = ["--database-url", &database.url, "--no-spool"];
    let mut program = Program::serve(&[&own, flags].concat()).await;
    let budget = metric(program.address, "flowtrail_ingest_queue_limit_bytes").await;
    let before = program.resident_bytes();
    let mut lock = database.client().await;
    let locked = lock.transaction().await.unwrap();
    locked
        .batch_execute("lock table public.steps")
        .await
        .unwrap();
    let load = Load::start(program.address, "m", streams, shape).await;
    let most = most(&program, budget, time).await;
    assert_eq!(load.acked(), 0);
    locked.rollback().await.unwrap();
    load.progress(streams as u64).await;
    let ledgers = load.finish().await;
    verify(&database.client().await, &ledgers).await;
    assert_eq!(held(&program).await, 0, "all is given back");
    assert_eq!(program.terminate().await, Some(0));
    (before, most, budget)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_of_big_chunks_stay_within_the_budget() {
    let flags = ["--queue-bytes", &BUDGET.to_string()];
    let time = Duration::from_secs(5);
    let (before, most, budget) = locked_out(&flags, STREAMS, BIG, time).await;
    assert_eq!(budget, BUDGET);
    let most = most - before;
    let bound = BUDGET + STREAMS * CHUNK + ALLOWANCE;
    assert!(most < bound, "{most} bytes more than idle, over {bound}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_of_tiny_chunks_stay_within_the_budget() {
    let flags = ["--queue-bytes", &BUDGET.to_string()];
    let time = Duration::from_secs(3);
    let (before, most, _) = locked_out(&flags, STREAMS, TINY, time).await;
    let most = most - before;
    let bound = BUDGET + ALLOWANCE;
    assert!(most < bound, "{most} bytes more than idle, over {bound}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_streams_before_a_locked_table_stay_within_the_budget_as_it_is_by_default() {
    let time = Duration::from_secs(20);
    let (_, most, budget) = locked_out(&[], 10, BIG, time).await;
    let bound = budget + (128 << 20);
    assert!(most < bound, "{most} resident bytes, over {bound}");
}
