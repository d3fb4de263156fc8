//! Apps beside each other: one that pushes all it can, and one that hardly says anything.

use std::{
    io::Write as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::support::{
    self, BIG, Load, Program, SMALL, Stream, eventually, hello, metric, step, verify,
};

/// Streams of the busy app.
const STREAMS: usize = 50;
/// Chunks of the quiet app that are timed.
const SAMPLES: i32 = 200;
/// What the quiet app may wait for an ack in any case, at p99. Without optimisation everything takes
/// many times as long, with many tests at once too; behind the busy one it would wait for 10 s.
const PATIENCE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 3_000 } else { 250 });

/// The time from a chunk to its ack, one after the other with pauses: median and p99.
async fn latency(address: SocketAddr, instance: &str) -> (Duration, Duration) {
    let (mut stream, _) = Stream::greet(address, hello("quiet")).await;
    let mut times = Vec::new();
    for number in 0..SAMPLES {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let begun = Instant::now();
        stream.chunk([step(instance, number)]).await;
        assert_eq!(stream.ack().await.recorded, 1);
        times.push(begun.elapsed());
    }
    stream.finish().await;
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_app_is_acknowledged_in_time_while_another_pushes_all_it_can() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url, "--no-spool"]).await;
    latency(program.address, "warm").await;
    let alone = latency(program.address, "alone").await;
    let load = Load::start_for("busy", program.address, "b", STREAMS, SMALL).await;
    load.progress(STREAMS as u64 * 20).await;
    let before = load.acked();
    let beside = latency(program.address, "beside").await;
    let pushed = load.acked() - before;
    let numbers =
        format!("alone {alone:?}, beside {beside:?}, {pushed} chunks of the busy app meanwhile");
    drop(writeln!(std::io::stderr(), "{numbers}"));
    let bound = PATIENCE.max(alone.1 * 5);
    assert!(beside.1 <= bound, "{numbers}");
    assert!(pushed > STREAMS as u64, "nobody pushed");
    load.finish().await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_streams_of_one_app_get_as_much_as_many_of_another() {
    const BUDGET: usize = 16 << 20;
    const CHUNKS: u64 = 60;
    let database = support::database().await;
    let budget = BUDGET.to_string();
    let flags = ["--queue-bytes", &budget, "--no-spool"];
    let mut program =
        Program::serve(&[&["--database-url", &database.url], &flags[..]].concat()).await;
    let held = async || -> usize {
        let held = metric(program.address, "flowtrail_ingest_queue_bytes").await;
        assert!(held <= BUDGET, "{held} bytes");
        held
    };
    let mut lock = database.client().await;
    // what is shared is a database that takes less than either could send
    let slow = "create function public.slow() returns trigger language plpgsql as $$
        begin
          perform pg_sleep(0.1);
          return null;
        end $$;
        create trigger slow before insert on public.steps
          for each statement execute function public.slow()";
    lock.batch_execute(slow).await.unwrap();
    let locked = lock.transaction().await.unwrap();
    locked
        .batch_execute("lock table public.steps")
        .await
        .unwrap();
    let many = Load::start_for("many", program.address, "m", STREAMS, BIG).await;
    // alone it may have all there is
    eventually("full queue", async || held().await > BUDGET * 3 / 4).await;
    let few = Load::start_for("few", program.address, "f", STREAMS / 10, BIG).await;
    locked.rollback().await.unwrap();
    eventually("the few are through", async || {
        held().await;
        few.acked() >= CHUNKS
    })
    .await;
    let (others, theirs) = (many.acked(), few.acked());
    // what was in memory when they came, and as much as they got
    let fair = theirs + BUDGET as u64 / 1_000_000;
    assert!(
        others < fair * 3 / 2,
        "{others} chunks of the many, {theirs} of the few"
    );
    let (many, few) = tokio::join!(many.finish(), few.finish());
    let client = database.client().await;
    verify(&client, &many).await;
    verify(&client, &few).await;
    assert_eq!(program.terminate().await, Some(0));
}
