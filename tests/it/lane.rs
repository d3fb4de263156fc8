//! What a lane does when the database gets in its way: duplicates, lost connections, rows that are
//! refused only at the commit.

mod sessions;

use std::time::Duration;

use flowtrail::proto::{FlowEnded, FlowStarted, Hello, RejectionCode, event::Kind};
use tokio_postgres::Client;

use crate::support::{self, Stream, hello, step, time};

/// How often the optimistic COPY was tried so far, also in vain: a sequence does not roll back.
async fn copies(client: &Client) -> i64 {
    let row = client
        .query_one("select last_value from public.copies", &[])
        .await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn after_a_duplicate_a_lane_copies_no_more_for_a_hundred_batches() {
    let database = support::database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "create sequence public.copies minvalue 0 start 0;
            select nextval('public.copies');
            create function public.count_copies() returns trigger language plpgsql as $$
            begin
              if current_query() like '%ingest/steps_copy%' then
                perform nextval('public.copies');
              end if;
              return null;
            end $$;
            create trigger count_copies before insert on public.steps
              for each statement execute function public.count_copies()",
        )
        .await
        .unwrap();
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let mut counts = Vec::new();
    // new, a duplicate, a hundred new ones, and one more
    let numbers = [0, 0].into_iter().chain(1..=101);
    for number in numbers {
        stream.chunk([step("i", number)]).await;
        let ack = stream.ack().await;
        assert_eq!(ack.recorded + ack.superseded, 1, "{ack:?}");
        counts.push(copies(&client).await);
    }
    assert_eq!(counts[..2], [1, 2], "a duplicate is met by copying");
    assert_eq!(
        counts[2..102],
        [2; 100],
        "a failed COPY leaves dead rows, so the next batches are staged"
    );
    assert_eq!(counts[102], 3, "without conflicts the lane copies again");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_lane_whose_connection_is_ended_loses_nothing() {
    const CHUNKS: i32 = 300;
    const STEPS: i32 = 20;
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let mut ended = 0_i64;
    for chunk in 0..CHUNKS {
        let instance = format!("i{}", chunk % 7);
        let numbers = chunk * STEPS..(chunk + 1) * STEPS;
        stream.chunk(numbers.map(|n| step(&instance, n))).await;
        if chunk % 30 == 29 {
            let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and application_name like '%lane%'";
            ended += client.query_one(end, &[]).await.unwrap().get::<_, i64>(0);
        }
    }
    assert!(ended >= 2, "both lanes were connected at least once");
    let sum = tokio::time::timeout(Duration::from_mins(1), stream.finish());
    let sum = sum.await.expect("every chunk is answered");
    assert_eq!(sum.invalid, 0, "{sum:?}");
    let steps = i64::from(CHUNKS * STEPS);
    assert_eq!(i64::try_from(sum.recorded + sum.superseded).unwrap(), steps);
    let stored = client
        .query_one(
            "select count(distinct stepid::integer) from public.steps",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(stored.get::<_, i64>(0), steps);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_row_that_is_refused_at_the_commit_is_found_and_its_neighbours_are_stored() {
    let database = support::database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "create function public.refuse() returns trigger language plpgsql as $$
            begin
              raise exception 'no thirteenth step' using errcode = 'check_violation', constraint = 'no_13';
            end $$;
            create constraint trigger no_13 after insert on public.steps
              deferrable initially deferred for each row when (new.stepid = '13')
              execute function public.refuse()",
        )
        .await
        .unwrap();
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk((10..20).map(|n| step("i", n))).await;
    let ack = stream.ack().await;
    assert_eq!((ack.recorded, ack.invalid), (9, 1), "{ack:?}");
    let rejection = &ack.rejections[0];
    assert_eq!(
        (rejection.index, rejection.code()),
        (3, RejectionCode::RefusedByDatabase)
    );
    stream.chunk([step("i", 20)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    let row = client
        .query_one("select count(*) from public.steps", &[])
        .await;
    assert_eq!(row.unwrap().get::<_, i64>(0), 10);
    service.stop().await.unwrap();
}

/// Waits until somebody waits for a lock of this kind.
async fn waits(client: &Client, kind: &str) {
    let held = format!(
        "select exists (select from pg_locks l join pg_stat_activity a using (pid)
         where l.locktype = '{kind}' and not l.granted and a.datname = current_database())"
    );
    support::eventually(kind, async || {
        let row = client.query_one(&held, &[]).await;
        row.unwrap().get::<_, bool>(0)
    })
    .await;
}

#[tokio::test]
async fn an_end_and_its_start_find_each_other_when_two_servers_write_them_at_once() {
    let database = support::database().await;
    let client = database.client().await;
    support::hold(&client, "public.flowstate").await;
    let one = support::serve(&database.url, &[]).await;
    let (mut ends, _) = Stream::greet(one.local_addr(), hello("orders")).await;
    ends.chunk([Kind::Ended(FlowEnded {
        instance_id: "i".into(),
        start_time: time(1_000),
        end_time: time(1_002),
        status: Some("Completed".into()),
        ..FlowEnded::default()
    })])
    .await;
    waits(&client, "advisory").await;

    let other = support::serve(&database.url, &[]).await;
    let there = Hello {
        host: "desk-2".into(),
        ..hello("orders")
    };
    let (mut starts, _) = Stream::greet(other.local_addr(), there).await;
    starts
        .chunk([Kind::Started(FlowStarted {
            instance_id: "i".into(),
            start_time: time(1_000),
            status: Some("Created".into()),
            ..FlowStarted::default()
        })])
        .await;
    waits(&client, "transactionid").await;
    support::release(&client).await;

    assert_eq!(ends.finish().await.recorded, 1);
    assert_eq!(starts.finish().await.recorded, 1);
    let row = client
        .query_one(
            "select hostid, status, executiontime, reruncount from public.flowstate",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get(0), row.get(1), row.get(2), row.get(3)),
        ("desk-2", Some("Completed"), Some("2000.000"), Some(0))
    );
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_and_an_earlier_attempt_find_each_other_when_two_servers_write_them_at_once() {
    let database = support::database().await;
    let client = database.client().await;
    let one = support::serve(&database.url, &[]).await;
    let (mut starts, _) = Stream::greet(one.local_addr(), hello("orders")).await;
    starts.chunk([support::start("i", 1_000)]).await;
    assert_eq!(starts.ack().await.recorded, 1);
    support::hold(&client, "flowtrail.attempts").await;
    starts.chunk([support::start("i", 500)]).await;
    waits(&client, "advisory").await;
    let other = support::serve(&database.url, &[]).await;
    let (mut ends, _) = Stream::greet(other.local_addr(), hello("orders")).await;
    ends.chunk([support::end("i", Some(1_000), 1_002)]).await;
    waits(&client, "transactionid").await;
    support::release(&client).await;
    assert_eq!(starts.finish().await.recorded, 1);
    assert_eq!(ends.finish().await.recorded, 1);
    // the latest attempt is shown, and is ended also where attempts are kept apart
    let ended = "select f.starttime::text, f.executiontime, a.ended
        from public.flowstate f
        join flowtrail.attempts a using (flowinstanceid)
        where a.attempt = f.starttime";
    let row = client.query_one(ended, &[]).await.unwrap();
    assert_eq!(
        (row.get(0), row.get(1), row.get(2)),
        ("1970-01-01 00:16:40", Some("2000.000"), true)
    );
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test]
async fn a_duplicate_costs_a_lane_a_transaction_and_not_its_session() {
    let database = support::database().await;
    let client = database.client().await;
    let lane = async || {
        let pid = "select pid from pg_stat_activity
            where datname = current_database() and application_name like '%lane%'
            order by backend_start desc limit 1";
        let row = client.query_one(pid, &[]).await.unwrap();
        row.get::<_, i32>(0)
    };
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk([step("i", 1)]).await;
    assert_eq!(stream.ack().await.recorded, 1);
    let first = lane().await;
    // behind the duplicate there is more, which the database does not look at any more
    stream
        .chunk([step("i", 1), support::start("j", 1_000)])
        .await;
    let ack = stream.ack().await;
    assert_eq!((ack.recorded, ack.superseded), (1, 1), "{ack:?}");
    // a hundred batches are staged, the next is copied
    for number in 2..102 {
        stream.chunk([step("i", number)]).await;
        assert_eq!(stream.ack().await.recorded, 1);
    }
    stream.chunk([step("i", 1)]).await;
    assert_eq!(stream.ack().await.superseded, 1);
    assert_eq!(lane().await, first);
    let (_, metrics) = support::http(service.local_addr(), "/metrics")
        .await
        .unwrap();
    let failures = "flowtrail_ingest_write_failures_total{";
    assert!(!metrics.contains(failures), "{metrics}");
    drop(stream);
    service.stop().await.unwrap();
}

/// Lets `steps` warn when something was inserted: behind the statement, or at the commit.
async fn warn(client: &Client, trigger: &str, timing: &str) {
    let warn = format!(
        "create function public.warn() returns trigger language plpgsql as $$
        begin
          raise warning 'steps again';
          return null;
        end $$;
        create {trigger} warn after insert on public.steps
          {timing} execute function public.warn()"
    );
    client.batch_execute(&warn).await.unwrap();
}

#[tokio::test]
async fn what_a_table_warns_of_before_the_commit_is_no_doubt() {
    let database = support::database().await;
    warn(&database.client().await, "trigger", "for each statement").await;
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    for number in 0..6 {
        // straight, and through the staging table
        stream
            .chunk_marked(number % 2 == 1, [step("i", number)])
            .await;
        let ack = stream.ack().await;
        assert_eq!((ack.recorded, ack.superseded), (1, 0), "{ack:?}");
    }
    let (_, metrics) = support::http(service.local_addr(), "/metrics")
        .await
        .unwrap();
    assert!(!metrics.contains("doubtful"), "{metrics}");
    drop(stream);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_warning_at_the_commit_leaves_it_in_doubt_and_the_batch_is_written_again() {
    let database = support::database().await;
    let timing = "deferrable initially deferred for each row";
    warn(&database.client().await, "constraint trigger", timing).await;
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    stream.chunk([step("i", 1)]).await;
    let ack = stream.ack().await;
    assert_eq!((ack.recorded, ack.superseded), (0, 1), "{ack:?}");
    let doubtful = "flowtrail_ingest_write_failures_total{class=\"doubtful\"}";
    assert_eq!(support::metric(service.local_addr(), doubtful).await, 1);
    drop(stream);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn staging_tables_hold_nothing_between_batches_and_stay_small() {
    const ENDS: i32 = 60;
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &["--lanes", "1"]).await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    // an end without its start is staged; random bytes are not compressed
    for number in 0..ENDS {
        let output: Vec<u8> = (0..100_000).map(|_| fastrand::u8(..)).collect();
        stream
            .chunk([Kind::Ended(FlowEnded {
                instance_id: format!("i{number}"),
                start_time: time(1_000),
                end_time: time(1_001),
                flow_output: Some(output.into()),
                ..FlowEnded::default()
            })])
            .await;
        assert_eq!(stream.ack().await.recorded, 1);
    }
    let sizes = "select max(pg_total_relation_size(oid)) as bytes,
          (select count(*) from public.flowstate) as instances
        from pg_class where relname in ('stage_flows', 'stage_steps') and relpersistence = 't'";
    let row = client.query_one(sizes, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>("instances"), i64::from(ENDS));
    let bytes: i64 = row.get("bytes");
    assert!(bytes < 1_500_000, "{bytes} bytes for {ENDS} times 100 kB");
    drop(stream);
    service.stop().await.unwrap();
}
