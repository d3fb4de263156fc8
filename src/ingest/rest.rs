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

use std::{borrow::Cow, str::Utf8Error, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response, routing};
use bytes::Bytes;
use futures_util::future::Either;
use http::{Method, StatusCode, Version};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, error::Elapsed, timeout, timeout_at},
};

use super::{
    load,
    metrics::Metrics,
    owners::Owners,
    queue::{Holder, Intake, Permit},
    refusals::Refusals,
    row::OVERHEAD,
    skipped::Skipped,
    ticket::{Counts, Lost, Outcome, Receipt, Witness},
};
use crate::{
    config,
    control::Toggles,
    event::flogo::{check_snapshot, readable},
    lifecycle::Lifecycle,
    rest,
};
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

impl Kind {
    const ALL: [(&str, Self); 4] = [
        ("/v1/instances/start", Self::Start),
        ("/v1/instances/end", Self::End),
        ("/v1/instances/steps", Self::Step),
        ("/v1/instances/snapshot", Self::Snapshot),
    ];
}

/// The four routes. With `--expose-recorder false` there are none: the path is then the one of an
/// instance, which can be deleted.
pub fn routes(recorder: &Arc<Recorder>) -> Router {
    let kinds = Kind::ALL.into_iter();
    let exposed = kinds.filter(|_| recorder.limits.expose_recorder);
    exposed.fold(Router::new(), |router, (path, kind)| {
        let recorder = Arc::clone(recorder);
        let answer = async move |request: Request| recorder.answer(kind, request).await;
        router.route(path, routing::post(answer))
    })
}

/// The answer to what is posted to one of the four, as its route would give it; any other request
/// comes back.
pub fn post<B>(
    recorder: &Arc<Recorder>,
    request: http::Request<B>,
) -> Either<impl Future<Output = Response> + use<B>, http::Request<B>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let taken = recorder.limits.expose_recorder && request.method() == Method::POST;
    let mut kinds = Kind::ALL.into_iter().filter(|_| taken);
    let Some((_, kind)) = kinds.find(|(path, _)| *path == request.uri().path()) else {
        return Either::Right(request);
    };
    let recorder = Arc::clone(recorder);
    Either::Left(async move { recorder.answer(kind, request).await })
}

/// Memory that may be made of a body at most, in bytes: itself, the texts read from it, the row. A
/// byte that belongs to no character becomes three in each of them.
fn charge(body: &[u8], text: Result<&str, Utf8Error>) -> usize {
    let times = if text.is_ok() { 3 } else { 8 };
    REQUEST_BYTES + OVERHEAD + body.len() * times
}

impl Recorder {
    async fn answer<B>(&self, kind: Kind, request: http::Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
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
    async fn record<B>(&self, kind: Kind, body: B) -> Result<(), Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let limits = &self.limits;
        let began = Instant::now();
        let place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(_) => match timeout(limits.rest_wait, self.places.acquire()).await {
                Ok(Ok(place)) => place,
                Ok(Err(_)) | Err(_) => return Err(Refusal::no_place()),
            },
        };
        let left = limits.rest_wait.saturating_sub(began.elapsed());
        let body = body::read(body, limits.max_event_bytes, self.body_time).await?;
        let read_at = Instant::now();
        let deadline = read_at + left;
        if kind == Kind::Snapshot {
            let checked = check_snapshot(&readable(&body));
            return checked.map_err(|invalid| Refusal::json("snapshot", &invalid));
        }

        let text = str::from_utf8(&body);
        let room = self.room(kind, &body, text);
        let room = timeout_at(deadline, room).await;
        let mut permit = room.map_err(|_| Refusal::no_room())?;
        drop(place);
        let text = text.map_or_else(|_| String::from_utf8_lossy(&body), Cow::Borrowed);
        let mut taken = self
            .take(kind, &body, &text, deadline)
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
        // The rows hold all that is needed of it, and no more is paid for from here on.
        drop(text);
        drop(body);
        for load in &mut taken.loads {
            load.app.clone_from(&taken.app);
        }
        permit.hand_to(Holder::of(taken.app.as_ref()));
        permit.shrink_to(REQUEST_BYTES + load::held_bytes(&taken.loads));

        let app = taken.app.clone();
        let refusal = match self.store(taken, permit, read_at, deadline).await {
            Ok(Ok(outcome)) => match outcome.rejections.into_iter().next() {
                None => return Ok(()),
                Some(rejection) => Refusal::invalid(rejection.invalid),
            },
            Ok(Err(Lost)) => Refusal::lost(),
            Err(_) => Refusal::not_written(),
        };
        Err(refusal.of(app.as_ref().map_or("", |app| &app.app)))
    }

    /// Room for what may be made of a body. Whose event it is matters only when it must be waited for.
    async fn room(&self, kind: Kind, body: &[u8], text: Result<&str, Utf8Error>) -> Permit {
        let budget = self.intake.budget();
        let charge = charge(body, text) + self.intake.overhead_bytes(1);
        match budget.room_now(&Holder::unnamed(), charge) {
            Some(permit) => permit,
            None => budget.room(&self.holder(kind, body), charge).await,
        }
    }

    /// Hands an event to the lanes and waits for its answer until `deadline`. What was handed over is
    /// written and counted, whatever its sender does.
    async fn store(
        &self,
        taken: Taken,
        permit: Permit,
        read_at: Instant,
        deadline: Instant,
    ) -> Result<Result<Outcome, Lost>, Elapsed> {
        if taken.skipped.is_some() {
            let stored = self.note_and_store(taken, permit, read_at);
            let stored = timeout_at(deadline, stored).await?;
            return Ok(stored.unwrap_or(Err(Lost)));
        }
        let submitted = submit(&self.intake, &self.metrics, taken, permit, read_at);
        let Ok(mut receipt) = submitted else {
            return Ok(Err(Lost));
        };
        timeout_at(deadline, receipt.answer()).await
    }

    /// The same for a start that is skipped, which is first noted, in a task of its own: nothing its
    /// sender does ends that.
    fn note_and_store(
        &self,
        mut taken: Taken,
        permit: Permit,
        read_at: Instant,
    ) -> oneshot::Receiver<Result<Outcome, Lost>> {
        let (answer, answered) = oneshot::channel();
        let (intake, skipped) = (self.intake.clone(), self.skipped.clone());
        let metrics = self.metrics.clone();
        self.lifecycle.spawn(async move {
            let storing = async {
                if let (Some(instance), Some(app)) = (taken.skipped.take(), taken.app.clone()) {
                    let noted = skipped.note(instance, app).await;
                    noted.inspect_err(|_| metrics.lost())?;
                }
                let submitted = submit(&intake, &metrics, taken, permit, read_at);
                drop(intake);
                submitted?.answer().await
            };
            // Its sender may have gone, or waited long enough.
            let _ = answer.send(storing.await);
        });
        answered
    }
}

fn submit(
    intake: &Intake,
    metrics: &Metrics,
    taken: Taken,
    permit: Permit,
    read_at: Instant,
) -> Result<Receipt, Lost> {
    let metrics = metrics.clone();
    let count: Witness = Box::new(move |stored| match stored {
        Ok(outcome) => metrics.answered(&outcome.counts, read_at.elapsed()),
        Err(Lost) => metrics.lost(),
    });
    intake
        .submit(taken.loads, false, taken.known, permit, Some(count))
        .map_err(|_| Lost)
}
