//! Attempts of an instance that was rerun in place.

use flowtrail::{
    event::Micros,
    ingest::{cut, sweep},
    proto::{
        FlowEnded, FlowStarted, GetInstanceRequest, ListAttemptsRequest, StepRecorded, event::Kind,
    },
    query::{Attempt, History},
};
use futures_util::TryStreamExt as _;
use tonic::Code;

use super::{World, refused};
use crate::support::{Stream, hello, time};

fn start(at: i64, status: &str) -> Kind {
    Kind::Started(FlowStarted {
        instance_id: "i".into(),
        start_time: time(at),
        status: Some(status.into()),
        flow_input: Some(format!("input at {at}").into()),
        ..FlowStarted::default()
    })
}

fn end(at: i64, ended: i64, status: &str) -> Kind {
    Kind::Ended(FlowEnded {
        instance_id: "i".into(),
        start_time: time(at),
        end_time: time(ended),
        status: Some(status.into()),
        ..FlowEnded::default()
    })
}

fn step(number: i32, at: i64) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: "i".into(),
        step_id: number,
        start_time: time(at),
        step_data: Some(format!("{number} at {at}").into()),
        ..StepRecorded::default()
    })
}

/// The contents of an attempt's steps, by every way there is to read them.
async fn contents(world: &World, attempt: u32) -> Vec<String> {
    let mut read = Vec::new();
    for step in world.steps("i", attempt).await {
        let (same, content, _) = world.content("i", attempt, step.step_id).await.unwrap();
        assert_eq!(same, step);
        read.push(String::from_utf8(content).unwrap());
    }
    let history = History::new(world.service.pool().clone());
    let streamed = history.contents("i", Attempt::Number(attempt), None, None);
    let streamed: Vec<_> = streamed.try_collect().await.unwrap();
    let streamed: Vec<_> = streamed
        .iter()
        .map(|step| String::from_utf8_lossy(&step.content))
        .collect();
    assert_eq!(streamed, read);
    read
}

async fn attempts(world: &World) -> Vec<String> {
    let request = ListAttemptsRequest {
        instance_id: "i".into(),
    };
    let found = world
        .client
        .clone()
        .list_attempts(request)
        .await
        .unwrap()
        .into_inner();
    let attempts = found.attempts.into_iter().map(|attempt| {
        let instance = attempt.instance.unwrap();
        let first = attempt
            .first_own_step
            .map_or("-".to_owned(), |first| first.to_string());
        let began = instance.start_time.map(|time| time.seconds);
        format!(
            "{} {:?} {} {} from {first}",
            attempt.number,
            began.unwrap_or(0),
            instance.status,
            attempt.own_steps
        )
    });
    attempts.collect()
}

#[tokio::test]
async fn each_attempt_of_a_rerun_in_place_can_be_read() {
    let world = World::new().await;
    let pool = world.service.pool();
    let address = world.service.local_addr();
    let (mut stream, _) = Stream::greet(address, hello("orders")).await;
    let mut send = async |kinds: Vec<Kind>| {
        stream.chunk(kinds).await;
        stream.ack().await;
    };
    let steps = |numbers: std::ops::Range<i32>, at: i64| {
        numbers
            .map(|n| step(n, at + i64::from(n)))
            .collect::<Vec<_>>()
    };
    send(vec![start(1_000, "Created")]).await;
    send(steps(0..4, 1_000)).await;
    send(vec![end(1_000, 1_009, "Failed")]).await;
    assert_eq!(attempts(&world).await, ["1 1000 Failed 4 from 0"]);

    // asked for by a clock that is ahead of the engine's, then restarted at step 2
    let asked_at = Micros::from_unix("asked_at", 2_500, 0).unwrap();
    cut::make(pool, "i", 2, asked_at).await.unwrap();
    assert_eq!(contents(&world, 0).await, ["0 at 1000", "1 at 1001"]);
    // what was cut can be read before the next attempt has begun, and if it never does
    let first = ["0 at 1000", "1 at 1001", "2 at 1002", "3 at 1003"];
    assert_eq!(contents(&world, 1).await, first);
    assert_eq!(attempts(&world).await, ["1 1000 Failed 4 from 0"]);
    send(vec![start(2_000, "Started")]).await;
    send(steps(2..5, 2_000)).await;
    send(vec![end(2_000, 2_009, "Completed")]).await;
    sweep::sweep(pool).await.unwrap();
    let second = [
        "0 at 1000",
        "1 at 1001",
        "2 at 2002",
        "3 at 2003",
        "4 at 2004",
    ];
    assert_eq!(contents(&world, 1).await, first);
    assert_eq!(contents(&world, 2).await, second);
    assert_eq!(contents(&world, 0).await, second);
    assert_eq!(
        attempts(&world).await,
        ["1 1000 Failed 4 from 0", "2 2000 Completed 3 from 2"]
    );

    // once more, from the beginning, with fewer steps; then from a step again
    send(vec![start(3_000, "Created")]).await;
    send(steps(0..2, 3_000)).await;
    let asked_at = Micros::from_unix("asked_at", 3_500, 0).unwrap();
    cut::make(pool, "i", 1, asked_at).await.unwrap();
    send(vec![start(4_000, "Started")]).await;
    send(steps(1..2, 4_000)).await;
    // a step of the third attempt that comes late
    send(steps(2..3, 3_000)).await;
    assert_eq!(contents(&world, 1).await, first);
    assert_eq!(contents(&world, 2).await, second);
    assert_eq!(
        contents(&world, 3).await,
        ["0 at 3000", "1 at 3001", "2 at 3002"]
    );
    assert_eq!(contents(&world, 4).await, ["0 at 3000", "1 at 4001"]);
    assert_eq!(
        attempts(&world).await,
        [
            "1 1000 Failed 4 from 0",
            "2 2000 Completed 3 from 2",
            "3 3000 Created 3 from 0",
            "4 4000 Started 1 from 1",
        ]
    );

    let detail = async |attempt| {
        let request = GetInstanceRequest {
            instance_id: "i".into(),
            attempt,
        };
        world.client.clone().get_instance(request).await
    };
    let second = detail(2).await.unwrap().into_inner();
    assert_eq!((second.attempt, second.attempts, second.steps), (2, 4, 5));
    assert_eq!(second.instance.unwrap().status, "Completed");
    let newest = detail(0).await.unwrap().into_inner();
    assert_eq!((newest.attempt, newest.attempts, newest.steps), (4, 4, 2));
    refused(detail(5).await, Code::NotFound, "attempt 5");
    refused(world.content("i", 3, 3).await, Code::NotFound, "step 3");

    let history = History::new(pool.clone());
    for (attempt, expected) in [(1, 1_000), (3, 3_000), (4, 4_000)] {
        let input = history
            .payload(
                "i",
                Attempt::Number(attempt),
                flowtrail::query::Payload::Input,
            )
            .await
            .unwrap();
        assert_eq!(input.unwrap(), format!("input at {expected}"));
    }
    drop(stream);
    world.end().await;
}

#[tokio::test]
async fn an_instance_of_nothing_but_steps_has_one_attempt() {
    let world = World::with(
        "insert into public.steps (flowinstanceid, stepid, starttime) values ('i', '3', '1970-01-01 00:00:09'), ('i', '10', null)",
    )
    .await;
    assert_eq!(attempts(&world).await, ["1 0  2 from 3"]);
    assert_eq!(world.steps("i", 1).await.len(), 2);
    world.end().await;
}
