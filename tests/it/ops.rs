//! What watches the server sees.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use axum::body::{Body, to_bytes};
use flowtrail::{
    lifecycle::{Lifecycle, Phase},
    ops::{self, Probe, Readiness, grpc},
    server::{self, Limits, Listener},
};
use tokio::time::timeout;
use tonic::{service::Routes, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tower::ServiceExt as _;

/// A probe whose answer the test sets.
fn probe() -> (Arc<Mutex<Readiness>>, Probe) {
    let readiness = Arc::new(Mutex::new(Readiness {
        ready: true,
        reason: None,
        database: "up".into(),
        spooled_events: Some(3),
        toggles_age: Duration::from_millis(250),
    }));
    let seen = Arc::clone(&readiness);
    let probe: Probe = Arc::new(move || seen.lock().expect("not poisoned").clone());
    (readiness, probe)
}

async fn answer(router: &axum::Router, path: &str) -> (u16, String, String) {
    let request = http::Request::get(path)
        .body(Body::empty())
        .expect("a request");
    let response = router.clone().oneshot(request).await.expect("infallible");
    let kind = response.headers().get("content-type");
    let kind = kind.map_or(String::new(), |kind| kind.to_str().expect("text").into());
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("a body");
    (status, kind, String::from_utf8(body.into()).expect("text"))
}

#[tokio::test]
async fn metrics_are_open_metrics_with_the_build() {
    let router = ops::metrics::routes(Arc::new(ops::metrics::registry()));
    let (status, kind, text) = answer(&router, "/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(
        kind,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let version = env!("CARGO_PKG_VERSION");
    assert!(text.contains(&format!("flowtrail_build_info{{version=\"{version}\"}} 1")));
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_say_what_the_process_takes() {
    let router = ops::metrics::routes(Arc::new(ops::metrics::registry()));
    let read = async |name: &str| {
        let (_, _, text) = answer(&router, "/metrics").await;
        let named = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        let number: Option<f64> = text.lines().find_map(named);
        number.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    let before = read("process_cpu_seconds_total").await;
    let began = Instant::now();
    // scraping is work too
    while read("process_cpu_seconds_total").await <= before {
        assert!(began.elapsed() < Duration::from_mins(1), "no time passes");
    }
    let resident = read("process_resident_memory_bytes").await;
    assert!(resident > f64::from(1 << 20), "{resident}");
    assert!(read("process_virtual_memory_bytes").await >= resident);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let age = now.expect("after 1970").as_secs_f64() - read("process_start_time_seconds").await;
    // the machine's start is known to the second
    assert!((-2.0..86_400.0).contains(&age), "{age} s old");
    let limit = read("process_max_fds").await;
    let open = read("process_open_fds").await;
    assert!((3.0..=limit).contains(&open), "{open} of {limit}");
}

#[tokio::test]
async fn ready_follows_the_probe_and_the_phase() {
    let lifecycle = Lifecycle::default();
    let (readiness, probe) = probe();
    let router = ops::health::routes(probe, lifecycle.clone());
    let check = async |status: u16, body: serde_json::Value| {
        let (got, kind, text) = answer(&router, "/readyz").await;
        assert_eq!(kind, "application/json");
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((got, report), (status, body));
    };
    let (status, _, text) = answer(&router, "/healthz").await;
    assert_eq!((status, &*text), (200, "ok"));
    check(
        503,
        serde_json::json!({"ready": false, "phase": "starting", "database": "up",
            "spooled_events": 3, "toggles_age_seconds": 0.25, "reason": "the server is starting"}),
    )
    .await;
    lifecycle.enter(Phase::Ready);
    check(
        200,
        serde_json::json!({"ready": true, "phase": "ready", "database": "up",
            "spooled_events": 3, "toggles_age_seconds": 0.25}),
    )
    .await;
    *readiness.lock().expect("not poisoned") = Readiness {
        ready: false,
        reason: Some("the spool is full".into()),
        database: "down: connection".into(),
        spooled_events: None,
        toggles_age: Duration::from_secs(9),
    };
    check(
        503,
        serde_json::json!({"ready": false, "phase": "ready", "database": "down: connection",
            "toggles_age_seconds": 9.0, "reason": "the spool is full"}),
    )
    .await;
    lifecycle.stop();
    let (status, _, text) = answer(&router, "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("the server is draining"), "{text}");
}

async fn served(lifecycle: &Lifecycle, probe: Probe) -> Channel {
    let (v1, v1alpha) = grpc::reflection().expect("descriptors");
    let services = Routes::new(grpc::health(probe, lifecycle).await)
        .add_service(v1)
        .add_service(v1alpha);
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), None)
        .await
        .expect("a free port");
    let url = format!("http://{}", listener.local_addr());
    let router = services.into_axum_router();
    let serving = server::serve(listener, router, Limits::new(16), lifecycle.clone());
    lifecycle.spawn(serving);
    let endpoint = Channel::from_shared(url).expect("a URL");
    endpoint.connect().await.expect("the server answers")
}

#[tokio::test]
async fn grpc_health_follows_readiness_and_its_watches_end_with_the_server() {
    let lifecycle = Lifecycle::default();
    let (readiness, probe) = probe();
    let channel = served(&lifecycle, probe).await;
    let mut client = HealthClient::new(channel);
    for service in ["", "flowtrail.v1.Recorder", "flowtrail.v1.Apps"] {
        let service = service.into();
        let check = client.check(HealthCheckRequest { service }).await;
        let status = check.expect("a known service").into_inner().status();
        assert_eq!(status, ServingStatus::NotServing);
    }
    let service = "flowtrail.v1.Recorder".into();
    let watch = client.watch(HealthCheckRequest { service }).await;
    let mut watch = watch.expect("a watch").into_inner();
    let mut next = async || {
        let next = timeout(Duration::from_secs(5), watch.message()).await;
        let next = next.expect("within 5 s").expect("a status");
        next.map(|response| response.status())
    };
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    lifecycle.enter(Phase::Ready);
    assert_eq!(next().await, Some(ServingStatus::Serving));
    readiness.lock().expect("not poisoned").ready = false;
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    readiness.lock().expect("not poisoned").ready = true;
    assert_eq!(next().await, Some(ServingStatus::Serving));
    lifecycle.stop();
    assert_eq!(next().await, Some(ServingStatus::NotServing));
    assert_eq!(next().await, None);
    assert!(lifecycle.join(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn reflection_names_every_service() {
    let lifecycle = Lifecycle::default();
    let (_, probe) = probe();
    let channel = served(&lifecycle, probe).await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let asked = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let mut responses = asked.expect("reflection").into_inner();
    let response = responses.message().await.expect("an answer");
    let Some(MessageResponse::ListServicesResponse(list)) =
        response.and_then(|response| response.message_response)
    else {
        panic!("not a list of services");
    };
    let names: Vec<&str> = list.service.iter().map(|service| &*service.name).collect();
    for name in [
        "flowtrail.v1.Apps",
        "flowtrail.v1.Recorder",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    lifecycle.abort();
}
