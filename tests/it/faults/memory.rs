//! Memory while the database takes nothing.

use std::time::{Duration, Instant};

use crate::support::{self, BIG, Load, Program, eventually, verify};

/// Bytes of events that may be held.
const BUDGET: usize = 16 << 20;
/// A message on its way, of each stream.
const CHUNK: usize = 1 << 20;
const STREAMS: usize = 50;
/// Everything else that grows: connections, buffers of the allocator.
const ALLOWANCE: usize = 24 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_of_big_chunks_stay_within_the_budget() {
    let database = support::database().await;
    let budget = BUDGET.to_string();
    let mut program =
        Program::serve(&["--database-url", &database.url, "--queue-bytes", &budget]).await;
    let before = program.resident_bytes();
    let mut lock = database.client().await;
    let locked = lock.transaction().await.unwrap();
    locked
        .batch_execute("lock table public.steps")
        .await
        .unwrap();

    let load = Load::start(program.address, "m", STREAMS, BIG).await;
    let held = async || {
        let (_, metrics) = support::http(program.address, "/metrics")
            .await
            .expect("it answers");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("flowtrail_ingest_queue_bytes "));
        line.expect("a gauge").parse::<usize>().unwrap()
    };
    eventually("full queue", async || held().await > BUDGET * 3 / 4).await;
    let until = Instant::now() + Duration::from_secs(5);
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(program.resident_bytes() - before);
        assert!(held().await <= BUDGET);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let bound = BUDGET + STREAMS * CHUNK + ALLOWANCE;
    assert!(most < bound, "{most} bytes more than idle, over {bound}");
    assert_eq!(load.acked(), 0);

    locked.rollback().await.unwrap();
    load.progress(STREAMS as u64).await;
    let ledgers = load.finish().await;
    verify(&database.client().await, &ledgers).await;
    assert_eq!(program.terminate().await, Some(0));
}
