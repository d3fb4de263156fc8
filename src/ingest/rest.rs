//! The REST face of the way in: the four requests of Flogo's own recorder (contract, section 1.4).
//!
//! A request is one event. It waits for room like a chunk of a stream, goes the same way from there,
//! and is answered when its event is committed, also where its sender asks for 202. `--rest-wait`
//! bounds what it waits for, room and commit together; what was taken by then stays taken.
//!
//! - At most as many requests as there are streams are in the middle of sending a body, each at
//!   most `--max-event-bytes`; whatever else they hold is charged to the budget before it is read.
//! - An event that was taken goes on by itself, whether its sender is still there or not.
//!
//! Snapshots are read and not kept: what they say follows from the steps.

mod body;
mod flogo;
mod refusal;
pub mod rerun;
mod take;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::{MethodRouter, post},
};
use bytes::Bytes;
use http::{StatusCode, Version};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    load,
    metrics::Metrics,
    owners::Owners,
    queue::{Holder, Intake, Permit},
    refusals::Refusals,
    row::OVERHEAD,
    skipped::Skipped,
    ticket::{Counts, Lost, Outcome},
};
use crate::{config, control::Toggles, event::flogo::check_snapshot, lifecycle::Lifecycle, rest};
use refusal::Refusal;
use take::Taken;

/// Bytes that a request takes besides its body and row: its task, its ticket, its part.
const REQUEST_BYTES: usize = 4 << 10;

/// What requests need.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// The way to the lanes.
    pub intake: Intake,
    /// What is recorded.
    pub toggles: Toggles,
    /// Limits of events and of waiting.
    pub limits: Arc<config::Ingest>,
    /// Room for requests in the middle of sending.
    pub places: Arc<Semaphore>,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// Which app an instance is of.
    pub owners: Owners,
    /// Where skipped starts are noted.
    pub skipped: Skipped,
    /// What is counted.
    pub metrics: Metrics,
    /// What is said of what is not taken.
    pub refusals: Refusals,
    /// Where what was taken goes on.
    pub lifecycle: Lifecycle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Start,
    End,
    Step,
    Snapshot,
}

/// The four routes. With `--expose-recorder false` there are none: the path is then the one of an
/// instance, which can be deleted.
pub fn routes(recorder: Recorder) -> Router {
    if !recorder.limits.expose_recorder {
        return Router::new();
    }
    let route = |kind: Kind| -> MethodRouter<Arc<Recorder>> {
        post(
            async move |State(recorder): State<Arc<Recorder>>, request| {
                recorder.answer(kind, request).await
            },
        )
    };
    Router::new()
        .route("/v1/instances/start", route(Kind::Start))
        .route("/v1/instances/end", route(Kind::End))
        .route("/v1/instances/steps", route(Kind::Step))
        .route("/v1/instances/snapshot", route(Kind::Snapshot))
        .with_state(Arc::new(recorder))
}

/// Memory that may be made of a body at most, in bytes: itself, the texts read from it, the row. A
/// byte that belongs to no character becomes three in each of them.
fn charge(body: &[u8]) -> usize {
    let times = if str::from_utf8(body).is_ok() { 3 } else { 8 };
    REQUEST_BYTES + OVERHEAD + body.len() * times
}

impl Recorder {
    async fn answer(&self, kind: Kind, request: Request) -> Response {
        let later = request.headers().get("async-calling");
        let later = later.is_some_and(|value| value == "true");
        let persistent = request.version() < Version::HTTP_2;
        match self.record(kind, request.into_body()).await {
            Ok(()) if later => rest::raw_json(StatusCode::ACCEPTED, Body::empty()),
            Ok(()) => rest::raw_json(StatusCode::OK, Body::empty()),
            Err(refusal) => {
                let Refusal {
                    reason,
                    app,
                    sentence,
                    ..
                } = &refusal;
                self.refusals.refused(reason, app, sentence);
                refusal.response(persistent)
            }
        }
    }

    /// Returns when what `body` reports is committed or need not be stored.
    async fn record(&self, kind: Kind, body: Body) -> Result<(), Refusal> {
        let limits = &self.limits;
        let began = Instant::now();
        let place = timeout(limits.rest_wait, self.places.acquire()).await;
        let place = place.map_err(|_| Refusal::no_place())?;
        let left = limits.rest_wait.saturating_sub(began.elapsed());
        let body = body::read(body, limits.max_event_bytes, self.body_time).await?;
        let read_at = Instant::now();
        let deadline = read_at + left;
        if kind == Kind::Snapshot {
            return check_snapshot(&body).map_err(|invalid| Refusal::json("snapshot", &invalid));
        }

        let room = self.room(kind, &body);
        let mut permit = timeout_at(deadline, room)
            .await
            .map_err(|_| Refusal::no_room())?;
        drop(place);
        let mut taken = self
            .take(kind, body, deadline)
            .await
            .inspect_err(|refusal| {
                if refusal.is_of_event() {
                    let counts = Counts {
                        invalid: 1,
                        ..Counts::default()
                    };
                    self.metrics.answered(&counts, read_at.elapsed());
                }
            })?;
        for load in &mut taken.loads {
            load.app.clone_from(&taken.app);
        }
        permit.hand_to(Holder::of(taken.app.as_ref()));
        permit.shrink_to(REQUEST_BYTES + load::held_bytes(&taken.loads, &taken.known));

        let app = taken.app.clone();
        let stored = self.hand_over(taken, permit, read_at);
        let refusal = match timeout_at(deadline, stored).await {
            Ok(Ok(Ok(outcome))) => match outcome.rejections.into_iter().next() {
                None => return Ok(()),
                Some(rejection) => Refusal::invalid(rejection.invalid),
            },
            Ok(_) => Refusal::lost(),
            Err(_) => Refusal::not_written(),
        };
        Err(refusal.of(app.as_ref().map_or("", |app| &app.app)))
    }

    /// Room for what may be made of a body. Whose event it is matters only when it must be waited for.
    async fn room(&self, kind: Kind, body: &Bytes) -> Permit {
        let budget = self.intake.budget();
        let charge = charge(body) + self.intake.overhead_bytes(1);
        match budget.room_now(&Holder::unnamed(), charge) {
            Some(permit) => permit,
            None => budget.room(&self.holder(kind, body), charge).await,
        }
    }

    /// Hands an event to the lanes, and a skipped start to the table of those, in a task of its own:
    /// nothing its sender does ends it. Answers when all of it is committed.
    fn hand_over(
        &self,
        taken: Taken,
        permit: Permit,
        read_at: Instant,
    ) -> oneshot::Receiver<Result<Outcome, Lost>> {
        let (answer, answered) = oneshot::channel();
        let (intake, skipped) = (self.intake.clone(), self.skipped.clone());
        let metrics = self.metrics.clone();
        let storing = async move {
            if let (Some(instance), Some(app)) = (taken.skipped, taken.app) {
                skipped.note(instance, app).await?;
            }
            drop(skipped);
            let submitted = intake.submit(taken.loads, false, taken.known, permit);
            drop(intake);
            submitted.map_err(|_| Lost)?.answer().await
        };
        self.lifecycle.spawn(async move {
            let stored = storing.await;
            match &stored {
                Ok(outcome) => metrics.answered(&outcome.counts, read_at.elapsed()),
                Err(Lost) => metrics.lost(),
            }
            // Its sender may have gone, or waited long enough.
            let _ = answer.send(stored);
        });
        answered
    }
}
