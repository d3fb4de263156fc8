//! Events that a server has taken and the tables do not show: who is refused, and who is told.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use flowtrail::{
    app::Running,
    ingest::{self, erase::Eraser, queue, ticket::Outcome},
    lifecycle::Lifecycle,
    proto::{
        DeleteInstanceRequest, GetCatalogueRequest, GetInstanceRequest, GetLineageRequest,
        ListAttemptsRequest, ListInstancesRequest, ListStepsRequest, ListTasksRequest,
        PlanRerunRequest, ReadPayloadRequest, ReadSnapshotRequest, ReadStepRequest,
        WatchInstancesRequest, history_client::HistoryClient, read_payload_request::Payload,
    },
    query::{self, History, Pending, watch::Watch},
    rest,
    server::{self, Limits, Listener},
};
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status, service::Routes, transport::Channel};

use crate::{
    fixtures,
    support::{self, Rest, Run, TestDatabase},
};

/// An instance of the traffic, of user `flogo`.
const ID: &str = "c30c853e25cfcefe2d2d4994eaa3b28a";
const HEADER: &str = "flowtrail-pending-events";

/// The faces over a database with the recorded traffic, and as many pending events as a test wants.
struct Served {
    _database: TestDatabase,
    service: Running,
    lifecycle: Lifecycle,
    pending: Arc<AtomicU64>,
    /// What the lane does once it was waited for.
    after: Arc<AtomicU64>,
    rest: Rest,
    url: String,
}

impl Served {
    async fn new() -> Self {
        let database = support::database().await;
        let service = support::serve(&database.url, &[]).await;
        fixtures::play(&service, &fixtures::lines(), 200).await;
        let pending = Arc::new(AtomicU64::new(0));
        let after = Arc::new(AtomicU64::new(0));
        let lifecycle = Lifecycle::default();
        let (intake, mut lanes) = queue::queue(1, 1);
        let mut lane = lanes.remove(0);
        let (more, now) = (Arc::clone(&after), Arc::clone(&pending));
        lifecycle.spawn(async move {
            while let Some(part) = lane.recv().await {
                now.fetch_add(more.load(Ordering::Relaxed), Ordering::Relaxed);
                part.share.settle(Outcome::default());
            }
        });
        let events = |pending: &Arc<AtomicU64>| {
            let pending = Arc::clone(pending);
            move || pending.load(Ordering::Relaxed)
        };
        let pool = service.pool().clone();
        let eraser = Eraser::new(pool.clone(), intake).with_pending(events(&pending));
        let history = History::new(pool).with_pending(Pending::new(events(&pending)));
        let committed = broadcast::Sender::new(1);
        let stopping = CancellationToken::new();
        let (watch, _line) = Watch::new(database.connector(), committed, stopping);
        let routes =
            query::rest::routes(history.clone()).merge(ingest::rest::rerun::routes(eraser.clone()));
        let delete: query::grpc::Delete = Arc::new(move |id| {
            let eraser = eraser.clone();
            Box::pin(async move {
                let deleted = eraser.delete(&id, None).await;
                let deleted = deleted.map_err(|error| error.status())?;
                Ok(deleted.map(|rows| (rows.attempts, rows.steps)))
            })
        });
        let grpc = Routes::new(query::grpc::service(history, delete, watch)).into_axum_router();
        let both = rest::manners(routes).merge(grpc.reset_fallback());
        let port = Listener::bind("127.0.0.1:0".parse().unwrap(), None)
            .await
            .unwrap();
        let address = port.local_addr();
        lifecycle.spawn(server::serve(
            port,
            both,
            Limits::new(64),
            lifecycle.clone(),
        ));
        Self {
            _database: database,
            service,
            lifecycle,
            pending,
            after,
            rest: Rest::new(address),
            url: format!("http://{address}"),
        }
    }

    fn pending(&self, events: u64) {
        self.pending.store(events, Ordering::Relaxed);
    }

    async fn client(&self) -> HistoryClient<Channel> {
        HistoryClient::connect(self.url.clone()).await.unwrap()
    }

    async fn request(&mut self, method: &str, path: &str) -> (u16, HeaderMap, String) {
        let path = path.replace("{id}", ID);
        let user = [("username", "flogo")];
        self.rest.request(method, &path, &user, b"").await
    }

    async fn stored(&self) -> bool {
        let request = ListAttemptsRequest {
            instance_id: ID.into(),
        };
        let attempts = self.client().await.list_attempts(request).await;
        attempts.is_ok_and(|found| !found.into_inner().attempts.is_empty())
    }

    async fn end(self) {
        self.lifecycle.abort();
        self.service.stop().await.unwrap();
    }
}

fn told(headers: &HeaderMap) -> Option<&str> {
    headers.get(HEADER).map(|value| value.to_str().unwrap())
}

/// What a client is told with an answer, or with a refusal.
fn metadata<T>(answer: Result<Response<T>, Status>) -> (Code, Option<String>, String) {
    let number = |metadata: &tonic::metadata::MetadataMap| {
        let value = metadata.get(HEADER)?;
        Some(value.to_str().unwrap().to_owned())
    };
    match answer {
        Ok(answer) => (Code::Ok, number(answer.metadata()), String::new()),
        Err(status) => (
            status.code(),
            number(status.metadata()),
            status.message().to_owned(),
        ),
    }
}

/// A rerun that goes by a part of what was recorded does something else than what was.
#[tokio::test]
async fn what_a_rerun_goes_by_waits_for_the_spool() {
    let mut served = Served::new().await;
    let paths = [
        "/v1/instances/{id}/details",
        "/v1/instances/{id}/snapshot",
        "/v1/instances/{id}/snapshot/3",
        "/v1/instances/{id}/rerun",
        "/v1/instances/{id}/rerun?from=2",
    ];
    served.pending(12);
    for path in paths.iter().copied().chain([
        // it may be among those on their way
        "/v1/instances/unknown/details",
        "/v1/instances/unknown/snapshot",
        "/v1/instances/unknown/rerun",
    ]) {
        let (status, headers, body) = served.request("GET", path).await;
        assert_eq!(status, 503, "{path}: {body}");
        assert_eq!(headers["retry-after"], "1", "{path}");
        assert_eq!(headers["content-type"], "application/json", "{path}");
        assert_eq!(told(&headers), Some("12"), "{path}");
        let error: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["code"], 503);
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("12 events are still"), "{message}");
        assert!(message.contains("try again"), "{message}");
    }
    // what is asked for wrongly will never be answered
    for (path, status) in [
        ("/v1/instances/{id}/rerun?from=0", 400),
        ("/v1/instances/{id}/snapshot/last", 400),
        ("/v1/instances/{id}/details?attempt=x", 400),
    ] {
        assert_eq!(served.request("GET", path).await.0, status, "{path}");
    }

    let mut client = served.client().await;
    for (pending, word, code) in [
        (12, "12 events are still", Code::Unavailable),
        (1, "1 event is still", Code::Unavailable),
        (0, "", Code::Ok),
    ] {
        served.pending(pending);
        let instance_id = ID.to_owned();
        let detail = client.get_instance(GetInstanceRequest {
            instance_id: instance_id.clone(),
            attempt: 0,
        });
        let detail = metadata(detail.await);
        let snapshot = client.read_snapshot(ReadSnapshotRequest {
            instance_id: instance_id.clone(),
            ..Default::default()
        });
        let snapshot = metadata(snapshot.await);
        let plan = client.plan_rerun(PlanRerunRequest {
            instance_id: instance_id.clone(),
            ..Default::default()
        });
        let plan = metadata(plan.await);
        let input = client.read_payload(ReadPayloadRequest {
            instance_id,
            payload: Payload::Input.into(),
            ..Default::default()
        });
        let input = metadata(input.await);
        let number = (pending > 0).then(|| pending.to_string());
        for (found, told, message) in [detail, snapshot, plan, input] {
            assert_eq!((found, &told), (code, &number), "{message}");
            assert!(message.starts_with(word), "{message}");
        }
    }
    for path in paths {
        let (status, headers, body) = served.request("GET", path).await;
        assert_eq!((status, told(&headers)), (200, None), "{path}: {body}");
    }
    served.end().await;
}

/// Half an answer is better than none for who looks, when it says so.
#[tokio::test]
async fn other_answers_tell_how_many_events_are_pending() {
    let mut served = Served::new().await;
    let paths = [
        "/v1/health",
        "/v1/flows?app=orders&version=1.2.0",
        "/v1/apps/orders/versions",
        "/v1/instances?app=orders&version=1.2.0",
        "/v1/instances/{id}/status",
        "/v1/instances/{id}/attempts",
        "/v1/instances/{id}/steps",
        "/v1/instances/{id}/steps/tasks",
        "/v1/instances/{id}/steps/status",
        "/v1/instances/{id}/failedtask",
        "/v1/instances/{id}/step/1/taskdata",
    ];
    for (pending, number) in [(7, Some("7")), (0, None)] {
        served.pending(pending);
        for path in paths {
            let (status, headers, body) = served.request("GET", path).await;
            assert_eq!((status, told(&headers)), (200, number), "{path}: {body}");
            let exposed = headers["access-control-expose-headers"].to_str().unwrap();
            assert!(exposed.contains(HEADER), "{exposed}");
        }
        let (status, headers, _) = served.request("GET", "/v1/instances/unknown/steps").await;
        assert_eq!((status, told(&headers)), (404, number));

        let mut client = served.client().await;
        let instance_id = ID.to_owned();
        let id = || instance_id.clone();
        let answers = [
            metadata(client.list_instances(ListInstancesRequest::default()).await),
            metadata(
                client
                    .read_payload(ReadPayloadRequest {
                        instance_id: id(),
                        payload: Payload::Output.into(),
                        ..Default::default()
                    })
                    .await,
            ),
            metadata(
                client
                    .list_steps(ListStepsRequest {
                        instance_id: id(),
                        ..Default::default()
                    })
                    .await,
            ),
            metadata(
                client
                    .read_step(ReadStepRequest {
                        instance_id: id(),
                        step_id: 1,
                        ..Default::default()
                    })
                    .await,
            ),
            metadata(
                client
                    .list_tasks(ListTasksRequest {
                        instance_id: id(),
                        ..Default::default()
                    })
                    .await,
            ),
            metadata(
                client
                    .list_attempts(ListAttemptsRequest { instance_id: id() })
                    .await,
            ),
            metadata(
                client
                    .get_lineage(GetLineageRequest { instance_id: id() })
                    .await,
            ),
            metadata(client.get_catalogue(GetCatalogueRequest::default()).await),
            metadata(
                client
                    .watch_instances(WatchInstancesRequest::default())
                    .await,
            ),
        ];
        for (at, (code, told, message)) in answers.into_iter().enumerate() {
            assert_eq!(code, Code::Ok, "{at}: {message}");
            assert_eq!(told.as_deref(), number, "{at}");
        }
    }
    served.end().await;
}

/// What comes out of the spool after a cut or a deletion would be taken for something newer.
#[tokio::test]
async fn nothing_is_deleted_or_cut_while_the_spool_is_not_empty() {
    let mut served = Served::new().await;
    let request = DeleteInstanceRequest {
        instance_id: ID.into(),
    };
    // there before, or there when the lane has been waited for
    for (before, after) in [(3, 0), (0, 3)] {
        for path in ["/v1/instances/{id}", "/v1/instances/{id}/step/2"] {
            served.pending(before);
            served.after.store(after, Ordering::Relaxed);
            let (status, headers, body) = served.request("DELETE", path).await;
            assert_eq!(status, 503, "{path}: {body}");
            assert_eq!(headers["retry-after"], "1", "{path}");
            assert!(body.contains("3 events are still"), "{path}: {body}");
        }
        served.pending(before);
        let deleted = served.client().await.delete_instance(request.clone()).await;
        let refused = deleted.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.message().contains("3 events"), "{refused}");
    }
    served.after.store(0, Ordering::Relaxed);
    served.pending(0);
    assert!(served.stored().await);
    let (status, _, body) = served.request("DELETE", "/v1/instances/{id}/step/2").await;
    assert_eq!(status, 200, "{body}");
    let deleted = served.client().await.delete_instance(request).await;
    assert!(deleted.unwrap().into_inner().steps > 0);
    assert!(!served.stored().await);
    served.end().await;
}

#[tokio::test]
async fn commands_say_that_events_are_not_in_the_tables_yet() {
    let served = Served::new().await;
    let commands: [&[&str]; 3] = [&["instances", "list"], &["steps", ID], &["step", ID, "1"]];
    for (pending, said) in [
        (0, ""),
        (1, "1 event is not in the tables yet\n"),
        (4_711, "4711 events are not in the tables yet\n"),
    ] {
        served.pending(pending);
        for words in commands {
            let run = Run::new(&[words, &["--server", &served.url]].concat());
            let ended = run.end().await;
            assert_eq!(ended.err, said, "{words:?}");
            assert!(!ended.done().is_empty(), "{words:?}");
        }
    }
    for words in [
        &["instances", "show", ID][..],
        &["snapshot", ID],
        &["rerun", ID, "--dry-run"],
        &["instances", "delete", ID, "--yes"],
    ] {
        let run = Run::new(&[words, &["--server", &served.url]].concat());
        let parts = ["4711 events are still", "try again", "Unavailable"];
        run.end().await.failed(1, &parts);
    }
    served.end().await;
}
