//! Tasks, snapshots, plans, deletion and watching, over gRPC; what they hold is tested where it is
//! made.

use std::time::Duration;

use flowtrail::proto::{
    DeleteInstanceRequest, InstanceFilter, ListTasksRequest, PlanRerunRequest, ReadSnapshotRequest,
    WatchInstancesRequest, WatchInstancesResponse,
};
use tonic::{Code, Streaming};

use super::{World, refused};
use crate::support::{self, Stream, eventually, hello};

/// Stores the steps of the engine's traffic and answers with the ids of their instances.
async fn engine(world: &World) -> Vec<String> {
    let traffic = include_str!("../../../demo/recorder-traffic.jsonl");
    let insert_step = "insert into public.steps (flowinstanceid, stepid, starttime, stepdata)
        values ($1, $2, '2026-01-01', $3)";
    let insert_flow = "insert into public.flowstate (flowinstanceid, hostid, starttime, status, flowname, flowinput)
        values ($1, '', '2026-01-01', 'Completed', $2, $3)";
    let mut ids = Vec::new();
    for line in traffic.lines() {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        let (path, body) = (
            request["path"].as_str().unwrap(),
            request["body"].as_str().unwrap(),
        );
        let fields: serde_json::Value = serde_json::from_str(body).unwrap();
        if path.ends_with("/steps") {
            let (id, step) = (fields["flowId"].as_str().unwrap(), fields["id"].to_string());
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&id, &step, &body.as_bytes()];
            world.sql.execute(insert_step, &values).await.unwrap();
        } else if path.ends_with("/start") {
            let id = fields["flow_instance_id"].as_str().unwrap().to_owned();
            let flow = fields["flow_name"].as_str().unwrap();
            let input = fields["flow_inputs"].to_string();
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&id, &flow, &input.as_bytes()];
            world.sql.execute(insert_flow, &values).await.unwrap();
            ids.push(id);
        }
    }
    ids
}

async fn snapshot(world: &World, id: &str, step_id: Option<u32>) -> Result<Vec<u8>, tonic::Status> {
    let request = ReadSnapshotRequest {
        instance_id: id.to_owned(),
        attempt: 0,
        step_id,
    };
    let call = world.client.clone().read_snapshot(request).await?;
    let (mut responses, mut read) = (call.into_inner(), Vec::new());
    while let Some(response) = responses.message().await? {
        assert!(response.piece.len() <= 1 << 20);
        read.extend_from_slice(&response.piece);
    }
    Ok(read)
}

#[tokio::test]
async fn what_a_rerun_goes_by_can_be_read() {
    let world = World::new().await;
    let ids = engine(&world).await;
    assert_eq!(ids.len(), 5);
    for id in &ids {
        let request = ListTasksRequest {
            instance_id: id.clone(),
            ..ListTasksRequest::default()
        };
        let tasks = world.client.clone().list_tasks(request).await.unwrap();
        let tasks = tasks.into_inner();
        assert_eq!(tasks.next_after, None);
        let steps: Vec<_> = tasks.tasks.iter().map(|task| task.step_id).collect();
        assert!(steps.is_sorted() && steps.contains(&0), "{steps:?}");
        for task in &tasks.tasks {
            assert_eq!(task.input.len() as u64, task.input_bytes);
            assert!(task.flow_uri.is_empty() || task.flow_uri.starts_with("res://"));
        }

        let last = snapshot(&world, id, None).await.unwrap();
        let last: serde_json::Value = serde_json::from_slice(&last).unwrap();
        assert_eq!(last["id"].as_str(), Some(&**id));
        let before = snapshot(&world, id, Some(1)).await.unwrap();

        let request = |from_step| PlanRerunRequest {
            instance_id: id.clone(),
            attempt: 0,
            from_step,
        };
        let plan = async |from| world.client.clone().plan_rerun(request(from)).await;
        let whole = plan(None).await.unwrap().into_inner();
        assert!(whole.flow_uri.starts_with("res://flow:"), "{whole:?}");
        assert_eq!(whole.missing, [""; 0]);
        assert_eq!(whole.input.len() as u64, whole.input_bytes);
        let from = plan(Some(2)).await.unwrap().into_inner();
        assert!(from.replaced_steps > 0, "{from:?}");
        assert_eq!(from.replaced.len(), from.replaced_steps as usize);
        if from.state_bytes > 0 {
            assert_eq!(from.state_bytes, before.len() as u64);
        }
        refused(plan(Some(0)).await, Code::InvalidArgument, "from_step");
    }
    let id = &ids[0];
    refused(
        snapshot(&world, id, Some(99)).await,
        Code::NotFound,
        "step 99",
    );
    refused(
        snapshot(&world, "x", None).await,
        Code::NotFound,
        "instance x",
    );
    let request = ListTasksRequest {
        instance_id: "x".into(),
        ..ListTasksRequest::default()
    };
    let tasks = world.client.clone().list_tasks(request).await;
    refused(tasks, Code::NotFound, "instance x");
    world
        .run("insert into public.steps (flowinstanceid, stepid, stepdata) values ('other', '0', 'not JSON')")
        .await;
    let other = snapshot(&world, "other", None).await;
    refused(other, Code::FailedPrecondition, "step 0");
    world.end().await;
}

#[tokio::test]
async fn a_page_of_tasks_ends_and_goes_on() {
    let world = World::with(
        r#"insert into public.steps (flowinstanceid, stepid, stepdata)
           select 'i', n::text, convert_to('{"id":' || n || ',"flowId":"i","flowChanges":{"0":{"flowURI":"res://flow:f","taskId":"t","attrs":{"_A.t.x":"'
             || repeat('x', case when n = 7 then 300000 else 200000 end) || '"},"tasks":{"t":{"change":1,"status":40,"input":{"a":1}}}}}}', 'UTF8')
           from generate_series(0, 39) n"#,
    )
    .await;
    let (mut after, mut steps) = (None, Vec::new());
    loop {
        let request = ListTasksRequest {
            instance_id: "i".into(),
            attempt: 0,
            after,
        };
        let page = world.client.clone().list_tasks(request).await.unwrap();
        let page = page.into_inner();
        assert!(prost::Message::encoded_len(&page) < 4 << 20);
        for task in &page.tasks {
            assert_eq!(task.output.is_empty(), task.step_id == 7);
            assert!(task.output_bytes > 200_000);
            assert_eq!(&task.input[..], br#"{"a":1}"#);
        }
        steps.extend(page.tasks.iter().map(|task| task.step_id));
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(steps, (0..40).collect::<Vec<_>>());
    world.end().await;
}

#[tokio::test]
async fn an_instance_is_deleted_once() {
    let world = World::with(
        "insert into public.flowstate (flowinstanceid, hostid) values ('i', '');
         insert into public.steps (flowinstanceid, stepid) values ('i', '0'), ('i', '1')",
    )
    .await;
    let delete = async || {
        let request = DeleteInstanceRequest {
            instance_id: "i".into(),
        };
        world.client.clone().delete_instance(request).await
    };
    let deleted = delete().await.unwrap().into_inner();
    assert_eq!((deleted.attempts, deleted.steps), (1, 2));
    refused(delete().await, Code::NotFound, "instance i");
    refused(world.content("i", 0, 0).await, Code::NotFound, "step 0");
    world.end().await;
}

/// The next response that names instances.
async fn changed(responses: &mut Streaming<WatchInstancesResponse>) -> Vec<String> {
    let response = tokio::time::timeout(Duration::from_secs(30), responses.message());
    let response = response.await.expect("told in time").unwrap().unwrap();
    let ids = response.changed.into_iter().map(|of| of.instance_id);
    ids.collect()
}

#[tokio::test]
async fn a_watch_tells_what_passes_its_filter() {
    let world = World::new().await;
    let address = world.service.local_addr();
    let filter = InstanceFilter {
        app: Some("orders".into()),
        ..InstanceFilter::default()
    };
    let request = WatchInstancesRequest {
        filter: Some(filter),
    };
    let call = world.client.clone().watch_instances(request).await;
    let mut responses = call.unwrap().into_inner();
    let first = responses.message().await.unwrap().unwrap();
    assert!(first.resync && first.changed.is_empty());
    for app in ["stock", "orders"] {
        let (mut stream, _) = Stream::greet(address, hello(app)).await;
        stream.chunk([support::start(app, 1_000)]).await;
        stream.finish().await;
    }
    assert_eq!(changed(&mut responses).await, ["orders"]);

    let wrong = WatchInstancesRequest {
        filter: Some(InstanceFilter {
            statuses: vec!["Gone".into()],
            ..InstanceFilter::default()
        }),
    };
    let answer = world.client.clone().watch_instances(wrong).await;
    refused(answer, Code::InvalidArgument, "statuses");

    // a watch holds no stop up
    let lifecycle = world.service.lifecycle().clone();
    lifecycle.stop();
    let mut ended = None;
    eventually("the watch ends", async || {
        ended = responses.message().await.err();
        ended.is_some()
    })
    .await;
    assert_eq!(ended.map(|status| status.code()), Some(Code::Unavailable));
    world.end().await;
}
