//! `/healthz` and `/readyz`.
//!
//! Alive means that the process answers. Ready means that an event sent now will be kept, in the
//! database or elsewhere; it is not the same as "the database is up".

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, response::IntoResponse, routing::get};
use http::StatusCode;
use serde::Serialize;

use crate::lifecycle::{Lifecycle, Phase};

/// Whether an event sent now will be kept, and why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Readiness {
    /// An event sent now will be kept.
    pub ready: bool,
    /// Why it would not, in one sentence without text of the database.
    pub reason: Option<String>,
    /// `up`, or `down: ` and the class of the failure.
    pub database: String,
    /// Events that are kept on disk and not in the database yet; none without a spool.
    pub spooled_events: Option<u64>,
    /// Time since the toggles were last read.
    pub toggles_age: Duration,
}

/// Looks now; called for every request and four times a second, so it must not wait.
pub type Probe = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// What `probe` sees, and never ready outside of the ready phase.
pub(super) fn look(probe: &Probe, lifecycle: &Lifecycle) -> (Phase, Readiness) {
    let phase = lifecycle.phase();
    let mut seen = probe();
    if phase != Phase::Ready {
        seen.ready = false;
        seen.reason = Some(format!("the server is {phase}"));
    }
    (phase, seen)
}

/// `/healthz`: 200 and `ok`. `/readyz`: 200 when ready, else 503, with the details in JSON.
pub fn routes(probe: Probe, lifecycle: Lifecycle) -> Router {
    let ready = move || async move {
        let (phase, seen) = look(&probe, &lifecycle);
        let status = if seen.ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let report = Report {
            ready: seen.ready,
            phase: phase.to_string(),
            database: seen.database,
            spooled_events: seen.spooled_events,
            toggles_age_seconds: seen.toggles_age.as_secs_f64(),
            reason: seen.reason,
        };
        (status, Json(report)).into_response()
    };
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    phase: String,
    database: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spooled_events: Option<u64>,
    toggles_age_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}
