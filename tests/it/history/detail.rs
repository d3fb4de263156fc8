//! One instance and what is missing of it.

use flowtrail::proto::{GetInstanceRequest, GetInstanceResponse, event::Kind};

use super::World;
use crate::support::{Stream, end, hello, start, step, time};

impl World {
    async fn detail(&self, id: &str, attempt: u32) -> GetInstanceResponse {
        let instance_id = id.to_owned();
        let request = GetInstanceRequest {
            instance_id,
            attempt,
        };
        let found = self.client.clone().get_instance(request).await.unwrap();
        found.into_inner()
    }

    /// The start, gaps and end that are missing: `start 0-2 5-5 end`.
    async fn missing(&self, id: &str) -> String {
        let missing = self.detail(id, 0).await.missing.unwrap();
        let mut said = Vec::new();
        said.extend(missing.start.then(|| "start".to_owned()));
        said.extend(
            missing
                .steps
                .iter()
                .map(|gap| format!("{}-{}", gap.from, gap.to)),
        );
        said.extend(missing.last_steps.then(|| "end".to_owned()));
        said.join(" ")
    }
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let world = World::new().await;
    let address = world.service.local_addr();
    let (mut stream, _) = Stream::greet(address, hello("orders")).await;
    let with = |mut kind: Kind, content: &'static str| {
        if let Kind::Step(step) = &mut kind {
            step.step_data = Some(content.into());
        }
        kind
    };
    let ended = |mut kind: Kind, word: &str| {
        if let Kind::Ended(end) = &mut kind {
            end.status = Some(word.into());
        }
        kind
    };
    let last = r#"{"flowChanges":{"0":{"status":500}}}"#;
    let between = r#"{"flowChanges":{"0":{"status":0}}}"#;
    let kinds = vec![
        start("whole", 1_000),
        with(step("whole", 0), between),
        with(step("whole", 1), last),
        ended(end("whole", Some(1_000), 1_001), "Completed"),
        // history was switched on in the middle
        with(step("middle", 2), between),
        with(step("middle", 4), between),
        with(step("middle", 5), last),
        ended(end("middle", Some(1_000), 1_001), "Failed"),
        // and off
        start("off", 1_000),
        with(step("off", 0), between),
        ended(end("off", Some(1_000), 1_001), "Completed"),
        start("running", 1_000),
        with(step("running", 0), between),
        step("steps", 1),
        ended(end("orphan", None, 1_001), "Completed"),
        // whose steps are nobody's JSON
        start("other", 1_000),
        with(step("other", 0), "not JSON"),
        ended(end("other", Some(1_000), 1_001), "Completed"),
    ];
    stream.chunk(kinds).await;
    assert_eq!(stream.finish().await.recorded, 18);
    let check = async |id: &str, expected: &str| {
        assert_eq!(world.missing(id).await, expected, "{id}");
    };
    check("whole", "").await;
    check("middle", "start 0-1 3-3").await;
    check("off", "end").await;
    check("running", "").await;
    check("steps", "start 0-0").await;
    check("orphan", "start").await;
    check("other", "").await;

    let steps = world.detail("steps", 0).await;
    let instance = steps.instance.unwrap();
    assert_eq!(
        (instance.instance_id.as_str(), instance.status.as_str()),
        ("steps", "")
    );
    assert_eq!((steps.attempt, steps.attempts, steps.steps), (1, 1, 1));
    assert_eq!((steps.input_bytes, steps.output_bytes), (None, None));
    assert_eq!(world.detail("steps", 1).await.steps, 1);
    let whole = world.detail("whole", 0).await;
    let instance = whole.instance.unwrap();
    assert_eq!(instance.start_time, time(1_000));
    assert_eq!(instance.end_time, time(1_001));
    assert_eq!((whole.attempt, whole.attempts, whole.steps), (1, 1, 2));
    world.end().await;
}

#[tokio::test]
async fn the_sizes_of_payloads_are_told() {
    let world = World::with(
        "insert into public.flowstate (flowinstanceid, hostid, starttime, flowinput, flowoutput)
         values ('i', '', '2026-01-01', convert_to(repeat('x', 100000), 'UTF8'), '')",
    )
    .await;
    let detail = world.detail("i", 0).await;
    assert_eq!(
        (detail.input_bytes, detail.output_bytes),
        (Some(100_000), Some(0))
    );
    world.end().await;
}

#[tokio::test]
async fn an_engines_own_flows_are_whole() {
    let world = World::new().await;
    // the last steps as an engine posted them, and the ends of their flows
    let traffic = include_str!("../../../demo/recorder-traffic.jsonl");
    let insert_step =
        "insert into public.steps (flowinstanceid, stepid, stepdata) values ($1, $2, $3)";
    let insert_flow = "insert into public.flowstate (flowinstanceid, hostid, starttime, status) values ($1, '', '2026-01-01', $2)";
    let mut flows = Vec::new();
    for line in traffic.lines() {
        let request: serde_json::Value = serde_json::from_str(line).unwrap();
        let (path, body) = (
            request["path"].as_str().unwrap(),
            request["body"].as_str().unwrap(),
        );
        let fields: serde_json::Value = serde_json::from_str(body).unwrap();
        if path.ends_with("/steps") {
            let id = fields["flowId"].as_str().unwrap();
            let step = fields["id"].to_string();
            world
                .sql
                .execute(insert_step, &[&id, &step, &body.as_bytes()])
                .await
                .unwrap();
        } else if path.ends_with("/end") {
            let id = fields["flow_instance_id"].as_str().unwrap().to_owned();
            let status = fields["flow_stats"].as_str().unwrap();
            world
                .sql
                .execute(insert_flow, &[&id, &status])
                .await
                .unwrap();
            flows.push(id);
        }
    }
    assert_eq!(flows.len(), 5);
    for id in &flows {
        assert_eq!(world.missing(id).await, "", "{id}");
    }
    world
        .run("delete from public.steps s where stepid::int = (select max(stepid::int) from public.steps where flowinstanceid = s.flowinstanceid)")
        .await;
    for id in &flows {
        assert_eq!(world.missing(id).await, "end", "{id}");
    }
    world.end().await;
}
