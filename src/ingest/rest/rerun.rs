//! What a rerun takes back: `DELETE /v1/instances/{id}` and `DELETE /v1/instances/{id}/step/{n}`
//! (contract, section 1.7).

use std::time::SystemTime;

use axum::{
    Router,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse as _, Response},
    routing::delete,
};
use http::{HeaderMap, StatusCode, header};

use crate::{
    event::Micros,
    ingest::erase::{Eraser, Error},
    rest,
};

/// The routes; a path that is taken by other methods elsewhere can be merged.
pub fn routes(eraser: Eraser) -> Router {
    Router::new()
        .route("/v1/instances/{id}", delete(instance))
        .route("/v1/instances/{id}/step/{step}", delete(steps))
        .with_state(eraser)
}

async fn instance(
    State(eraser): State<Eraser>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(id)) = path else {
        return not_text();
    };
    match eraser.delete(&id, rest::username(&headers)).await {
        Ok(Some(_)) => done(),
        Ok(None) => not_stored(&id),
        Err(error) => refused(&error),
    }
}

async fn steps(
    State(eraser): State<Eraser>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let asked_at = now();
    let Ok(Path((id, step))) = path else {
        return not_text();
    };
    let Ok(from) = step.parse() else {
        let message =
            format!("invalid stepId: {step}; it must be a whole number from 0 to 4294967295");
        return rest::json_error(StatusCode::BAD_REQUEST, &message);
    };
    let user = rest::username(&headers);
    match eraser.cut(&id, from, asked_at, user).await {
        Ok(true) => done(),
        Ok(false) => not_stored(&id),
        Err(error) => refused(&error),
    }
}

fn now() -> Micros {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (seconds, nanos) = now.map_or((0, 0), |now| (now.as_secs(), now.subsec_nanos()));
    let seconds = i64::try_from(seconds).unwrap_or_default();
    Micros::from_unix("now", seconds, nanos.into()).expect("the clock is inside PostgreSQL's range")
}

fn done() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::OK, headers).into_response()
}

fn refused(error: &Error) -> Response {
    rest::refused(&error.status())
}

/// Also for an instance of another user, so that nobody learns of it.
fn not_stored(id: &str) -> Response {
    let message = format!("instance {id} is not stored");
    rest::json_error(StatusCode::NOT_FOUND, &message)
}

fn not_text() -> Response {
    rest::json_error(
        StatusCode::BAD_REQUEST,
        "the instance id is not UTF-8; percent-encode its UTF-8 bytes",
    )
}
