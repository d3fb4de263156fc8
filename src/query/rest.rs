//! The engines' own REST face of the history: routes 1 to 13 of contract 1.2, and what they could
//! not say, the attempts of an instance and the plan of a rerun. [`stream`] is route 23.
//!
//! Every route about one instance takes `?attempt=N`, and hides the instance from a `username`
//! whose it is not. Every answer says in a header how many events are on
//! their way to the tables; what a rerun goes by is 503 until none is. Errors carry a sentence in one of the two styles of [`rest`].

mod ask;
mod health;
mod instance;
mod list;
mod rerun;
mod snapshot;
mod steps;
pub mod stream;
mod streamed;

use axum::{Router, response::Response, routing::get};
use http::StatusCode;

use super::{Error, History};
use crate::rest;

/// The routes over `history`.
pub fn routes(history: History) -> Router {
    let pending = history.pending.clone();
    Router::new()
        .route("/v1/health", get(health::read))
        .route("/v1/flows", get(list::flows))
        .route("/v1/apps/{app}/versions", get(list::versions))
        .route("/v1/instances", get(list::instances))
        .route("/v1/instances/{id}/details", get(instance::details))
        .route("/v1/instances/{id}/status", get(instance::status))
        .route("/v1/instances/{id}/attempts", get(rerun::attempts))
        .route("/v1/instances/{id}/rerun", get(rerun::rerun))
        .route("/v1/instances/{id}/steps", get(steps::contents))
        .route("/v1/instances/{id}/steps/tasks", get(steps::tasks))
        .route("/v1/instances/{id}/steps/status", get(steps::statuses))
        .route("/v1/instances/{id}/failedtask", get(steps::failed))
        .route("/v1/instances/{id}/step/{step}/taskdata", get(steps::task))
        .route("/v1/instances/{id}/snapshot", get(snapshot::last))
        .route("/v1/instances/{id}/snapshot/{step}", get(snapshot::at))
        .route_layer(pending)
        .with_state(history)
}

/// A failure in style J, logged where it is the database's.
fn refused(error: &Error) -> Response {
    rest::refused(&error.status())
}

/// A wrong request in style J.
fn wrong(message: &str) -> Response {
    rest::json_error(StatusCode::BAD_REQUEST, message)
}
