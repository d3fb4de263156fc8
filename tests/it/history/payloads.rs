//! Payloads in pieces, and steps read a portion at a time.

use std::{pin::pin, task::Poll};

use flowtrail::{
    proto::{ListStepsRequest, ReadPayloadRequest, read_payload_request::Payload},
    query::{Attempt, History},
};
use futures_util::{TryStreamExt as _, poll};
use prost::Message as _;
use tonic::Code;

use super::{World, refused};

async fn payload(world: &World, id: &str, payload: Payload) -> Result<Vec<u8>, tonic::Status> {
    let request = ReadPayloadRequest {
        instance_id: id.into(),
        attempt: 0,
        payload: payload.into(),
    };
    let mut responses = world
        .client
        .clone()
        .read_payload(request)
        .await?
        .into_inner();
    let mut read = Vec::new();
    while let Some(response) = responses.message().await? {
        assert!(response.piece.len() <= 1 << 20);
        read.extend_from_slice(&response.piece);
    }
    Ok(read)
}

/// `bytes` bytes that are the same each time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut seed = 1_u64;
    let words = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed.to_be_bytes()
    });
    words.flatten().take(bytes).collect()
}

#[tokio::test]
async fn a_step_of_fifty_mebibytes_is_read_in_pieces_and_lists_stay_small() {
    let world = World::new().await;
    let big = noise(50 << 20);
    let insert = "insert into public.steps (flowinstanceid, stepid, taskname, stepdata) values ('big', $1, $2, $3)";
    let long = "t".repeat(1 << 20);
    world
        .sql
        .execute(insert, &[&"0", &"first", &big])
        .await
        .unwrap();
    world
        .sql
        .execute(insert, &[&"1", &long, &&b"{}"[..]])
        .await
        .unwrap();
    let insert = "insert into public.flowstate (flowinstanceid, hostid, flowinput, flowoutput) values ('big', '', $1, $2)";
    world.sql.execute(insert, &[&big, &&b""[..]]).await.unwrap();

    let request = ListStepsRequest {
        instance_id: "big".into(),
        ..ListStepsRequest::default()
    };
    let steps = world
        .client
        .clone()
        .list_steps(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        steps
            .steps
            .iter()
            .map(|step| step.bytes)
            .collect::<Vec<_>>(),
        [50 << 20, 2]
    );
    assert!(steps.encoded_len() < 2_048);

    let (step, content, sizes) = world.content("big", 0, 0).await.unwrap();
    assert_eq!((step.task_name.as_str(), step.bytes), ("first", 50 << 20));
    assert!(content == big && sizes.iter().all(|size| *size <= 1 << 20));
    assert!(payload(&world, "big", Payload::Input).await.unwrap() == big);
    assert_eq!(payload(&world, "big", Payload::Output).await.unwrap(), b"");
    world.end().await;
}

#[tokio::test]
async fn a_payload_that_is_not_there_is_not_found() {
    let world = World::with(
        "insert into public.flowstate (flowinstanceid, hostid, flowinput) values ('i', '', '{}');
         insert into public.steps (flowinstanceid, stepid) values ('s', '0')",
    )
    .await;
    let read = async |id: &'static str, of| payload(&world, id, of).await;
    assert_eq!(read("i", Payload::Input).await.unwrap(), b"{}");
    refused(read("i", Payload::Output).await, Code::NotFound, "output");
    refused(read("s", Payload::Input).await, Code::NotFound, "input");
    refused(read("x", Payload::Input).await, Code::NotFound, "x");
    refused(
        read("i", Payload::Unspecified).await,
        Code::InvalidArgument,
        "payload",
    );
    refused(world.content("s", 0, 1).await, Code::NotFound, "step 1");
    refused(world.content("x", 0, 0).await, Code::NotFound, "step 0");
    refused(world.content("i", 2, 0).await, Code::NotFound, "attempt 2");
    let (_, content, sizes) = world.content("s", 0, 0).await.unwrap();
    assert_eq!((content, sizes), (vec![], vec![0]));
    world.end().await;
}

#[tokio::test]
async fn many_steps_are_read_by_number() {
    let world = World::with(
        "insert into public.steps (flowinstanceid, stepid, starttime, stepdata)
         select 'many', n::text, '2026-01-01', convert_to(repeat('x', 3000) || n, 'UTF8') from generate_series(0, 12000) n;
         insert into public.steps (flowinstanceid, stepid) values
           ('many', 'x'), ('many', ''), ('many', '007'), ('many', '-1'), ('many', '4000000000'), ('many', '99999999999999999999')",
    )
    .await;
    let history = History::new(world.service.pool().clone());
    let ids = async |after, through| {
        let steps = history.contents("many", Attempt::Newest, after, through);
        let steps: Vec<_> = steps.try_collect().await.unwrap();
        for step in &steps {
            assert!(step.content.ends_with(step.step.id.to_string().as_bytes()));
            assert_eq!(step.content.len() as u64, step.step.bytes);
        }
        steps
            .into_iter()
            .map(|step| step.step.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None).await, (0..=12_000).collect::<Vec<_>>());
    assert_eq!(ids(Some(9), Some(11)).await, [10, 11]);
    assert_eq!(ids(Some(11_998), None).await, [11_999, 12_000]);
    assert_eq!(ids(Some(u32::MAX), None).await, [0; 0]);
    assert_eq!(ids(None, Some(0)).await, [0]);

    let page = async |after, page_size| {
        let request = ListStepsRequest {
            instance_id: "many".into(),
            page_size,
            after,
            ..ListStepsRequest::default()
        };
        let page = world
            .client
            .clone()
            .list_steps(request)
            .await
            .unwrap()
            .into_inner();
        let ids: Vec<_> = page.steps.iter().map(|step| step.step_id).collect();
        (ids, page.more)
    };
    assert_eq!(page(None, 3).await, (vec![0, 1, 2], true));
    assert_eq!(page(Some(99), 2).await, (vec![100, 101], true));
    assert_eq!(page(Some(11_999), 1).await, (vec![12_000], false));
    assert_eq!(page(Some(12_000), 0).await, (vec![], false));
    assert_eq!(page(None, 0).await.0.len(), 1_000);
    world.end().await;
}

#[tokio::test]
async fn a_page_of_steps_is_bounded_in_bytes() {
    let world = World::with(
        "insert into public.steps (flowinstanceid, stepid, taskname, status, flowname, subflowid)
         select 'long', n::text, t, t, t, t from generate_series(0, 999) n, repeat('ä', 5000) t",
    )
    .await;
    let (mut after, mut found) = (None, 0);
    loop {
        let request = ListStepsRequest {
            instance_id: "long".into(),
            after,
            ..ListStepsRequest::default()
        };
        let page = world
            .client
            .clone()
            .list_steps(request)
            .await
            .unwrap()
            .into_inner();
        assert!(page.encoded_len() < 4 << 20);
        found += page.steps.len();
        after = page.steps.last().map(|step| step.step_id);
        if !page.more {
            break;
        }
    }
    assert_eq!(found, 1_000);
    world.end().await;
}

#[tokio::test]
async fn a_reader_of_many_steps_leaves_others_their_turns() {
    let world = World::with(
        "insert into public.steps (flowinstanceid, stepid, stepdata)
         select 'many', n::text, convert_to(repeat('x', 1024), 'UTF8') from generate_series(0, 999) n",
    )
    .await;
    let history = History::new(world.service.pool().clone());
    let mut steps = pin!(history.contents("many", Attempt::Newest, None, None));
    // all of them were read with the first one
    assert_eq!(steps.try_next().await.unwrap().unwrap().step.id, 0);
    let (mut read, mut turns) = (1, 0);
    while read < 1_000 {
        match poll!(steps.try_next()) {
            Poll::Ready(step) => {
                assert_eq!(step.unwrap().unwrap().step.id, read);
                read += 1;
            }
            Poll::Pending => turns += 1,
        }
    }
    assert!((10..=16).contains(&turns), "{turns} for 1,000 KiB");
    world.end().await;
}
