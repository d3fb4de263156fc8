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

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::{MethodRouter, post},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Version, header};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    load,
    metrics::Metrics,
    owners::{Owner, Owners},
    queue::{Intake, Load, Permit},
    refusals::Refusals,
    row::{OVERHEAD, Source},
    skipped::Skipped,
    ticket::{Counts, Lost, Outcome},
};
use crate::{
    config,
    control::Toggles,
    event::{
        App, Event,
        flogo::{FlowState, Step, check_snapshot},
    },
    lifecycle::Lifecycle,
    rest,
};
use refusal::Refusal;

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

/// The four routes. With `--expose-recorder false` they answer as if they were not there: the path
/// is then the one of an instance, which can be deleted.
pub fn routes(recorder: Recorder) -> Router {
    let exposed = recorder.limits.expose_recorder;
    let route = |kind: Kind| -> MethodRouter<Arc<Recorder>> {
        if exposed {
            post(
                async move |State(recorder): State<Arc<Recorder>>, request| {
                    recorder.answer(kind, request).await
                },
            )
        } else {
            post(hidden)
        }
    };
    Router::new()
        .route("/v1/instances/start", route(Kind::Start))
        .route("/v1/instances/end", route(Kind::End))
        .route("/v1/instances/steps", route(Kind::Step))
        .route("/v1/instances/snapshot", route(Kind::Snapshot))
        .with_state(Arc::new(recorder))
}

async fn hidden() -> Response {
    let mut response = rest::text_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let methods = HeaderValue::from_static("DELETE, OPTIONS");
    response.headers_mut().insert(header::ALLOW, methods);
    response
}

/// Memory that may be made of a body at most, in bytes: itself, the texts read from it, the row. A
/// byte that belongs to no character becomes three in each of them.
fn charge(body: &[u8]) -> usize {
    let times = if str::from_utf8(body).is_ok() { 3 } else { 8 };
    REQUEST_BYTES + OVERHEAD + body.len() * times
}

/// An event that is encoded, or was skipped.
#[derive(Debug)]
struct Taken {
    app: Option<Arc<App>>,
    loads: Vec<Load>,
    known: Outcome,
    /// The instance of a start that was skipped.
    skipped: Option<String>,
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
        let place = place.map_err(|_| Refusal::no_room())?;
        let left = limits.rest_wait.saturating_sub(began.elapsed());
        let body = body::read(body, limits.max_event_bytes, self.body_time).await?;
        let read_at = Instant::now();
        let deadline = read_at + left;
        if kind == Kind::Snapshot {
            return check_snapshot(&body).map_err(|invalid| Refusal::json("snapshot", &invalid));
        }

        let room = self.intake.budget().room(charge(&body));
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
        permit.shrink_to(REQUEST_BYTES + load::held_bytes(&taken.loads));

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

    /// Reads, decides and encodes an event.
    async fn take(&self, kind: Kind, body: Bytes, deadline: Instant) -> Result<Taken, Refusal> {
        if kind == Kind::Step {
            return self.take_step(&body, deadline).await;
        }
        let json = |invalid| Refusal::json("step", &invalid);
        let state = FlowState::parse(&body).map_err(json)?;
        let source = flogo::source(&state).map_err(Refusal::invalid)?;
        let invalid = |invalid| Refusal::invalid(invalid).of(&source.app);
        let input = state.flow_input();
        let event = if kind == Kind::Start {
            Event::Started(flogo::started(&state, &input).map_err(invalid)?)
        } else {
            Event::Ended(flogo::ended(&state).map_err(invalid)?)
        };
        let app = Arc::new(App {
            user: source.user.clone(),
            app: source.app.clone(),
        });
        self.owners.note(event.instance(), Arc::clone(&app));
        let enabled = self.toggles.persistence(&source.user, &source.app);
        let skipped = kind == Kind::Start && !enabled;
        let skipped = skipped.then(|| event.instance().to_owned());
        // Nobody can decide on an app without a name, or of nobody.
        let named = !source.user.is_empty() && !source.app.is_empty();
        let registration = named.then(|| load::registration(&self.toggles, &source));
        let registration = registration.flatten();
        let (loads, known) = load::one(event, &source, enabled, &self.intake, registration);
        Ok(Taken {
            app: Some(app),
            loads,
            known,
            skipped,
        })
    }

    async fn take_step(&self, body: &Bytes, deadline: Instant) -> Result<Taken, Refusal> {
        let step = Step::parse(body).map_err(|invalid| Refusal::json("step", &invalid))?;
        let app = self.owners.remembered(&step.instance_id);
        let name = app.as_ref().map_or("", |app| &app.app);
        let event =
            flogo::recorded(&step, body).map_err(|invalid| Refusal::invalid(invalid).of(name))?;
        let enabled = match self.toggles.unanimous() {
            Some(all) => all,
            None => self.enabled(event.instance, deadline).await,
        };
        let source = Source::default();
        let (loads, known) = load::one(Event::Step(event), &source, enabled, &self.intake, None);
        Ok(Taken {
            app,
            loads,
            known,
            skipped: None,
        })
    }

    /// Whether the app of `instance` is recorded; a step of an app that is not known is.
    async fn enabled(&self, instance: &str, deadline: Instant) -> bool {
        let reason = match self.owners.of(instance, deadline).await {
            Owner::Known(app) => return self.toggles.persistence(&app.user, &app.app),
            Owner::Unknown => "unknown",
            Owner::Unanswered => "unanswered",
        };
        self.metrics.without_app(reason);
        true
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
            let submitted = intake.submit(taken.loads, false, taken.known, permit).await;
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
