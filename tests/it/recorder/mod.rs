//! Events posted as Flogo's own recorder posts them.

mod errors;
mod replay;
mod toggles;
mod waits;

use std::net::SocketAddr;

use crate::support::{Rest, http};

const START: &str = "/v1/instances/start";
const END: &str = "/v1/instances/end";
const STEPS: &str = "/v1/instances/steps";
const SNAPSHOT: &str = "/v1/instances/snapshot";

/// The start of an instance of `acme`'s app.
fn start(app: &str, instance: &str) -> String {
    flow(app, instance, "Created", "2026-01-01T00:00:02Z")
}

/// Its end, 1.5 s after its start.
fn end(app: &str, instance: &str) -> String {
    flow(app, instance, "Completed", "2026-01-01T00:00:03.5Z")
}

fn flow(app: &str, instance: &str, status: &str, end: &str) -> String {
    serde_json::json!({
        "user_id": "acme", "app_name": app, "app_version": "1.0.0", "host_id": "desk-1",
        "flow_name": "order", "flow_instance_id": instance, "flow_inputs": {"n": 1},
        "flow_outputs": {"m": 2}, "flow_stats": status, "rerun_count": 0,
        "start_time": "2026-01-01T00:00:02Z", "end_time": end, "original_instance_id": "",
    })
    .to_string()
}

/// Step `number` of an instance, which changes no flow.
fn step(instance: &str, number: u32) -> String {
    serde_json::json!({
        "id": number, "flowId": instance, "flowChanges": {}, "rerun": false,
        "queueChanges": {"1": {"change": 0, "subflowId": 0, "taskId": "t"}},
        "starttime": "2026-01-01T00:00:03Z", "endtime": "2026-01-01T00:00:03Z",
    })
    .to_string()
}

/// Posts `body`, which has to be taken.
async fn post(rest: &mut Rest, path: &str, body: &str) {
    let (status, headers, said) = rest.request("POST", path, &[], body.as_bytes()).await;
    assert_eq!((status, &*said), (200, ""), "{path}: {body}");
    assert_eq!(headers["content-type"], "application/json");
}

/// What `/metrics` says of `name`, with its labels; 0 for what is not there.
async fn metric(address: SocketAddr, name: &str) -> u64 {
    let (_, text) = http(address, "/metrics").await.expect("metrics");
    let prefix = format!("{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    line.map_or(0, |line| line.parse().expect("a number"))
}

/// The counter of refusals for `reason`.
async fn refused(address: SocketAddr, reason: &str) -> u64 {
    let name = format!("flowtrail_ingest_refusals_total{{reason=\"{reason}\"}}");
    metric(address, &name).await
}
