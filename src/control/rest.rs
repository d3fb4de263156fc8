//! Routes 14 to 16 of the engines' own service: one app's toggle (contract 1.6).

use axum::{
    Router,
    extract::{FromRequestParts, Path, State, rejection::PathRejection},
    response::Response,
    routing::get,
};
use http::{StatusCode, request::Parts};

use super::{Error, Store};
use crate::rest;

/// Longest user or app name, in bytes.
const MAX_NAME: usize = 512;

/// The routes over the table.
pub fn routes(store: Store) -> Router {
    let app = get(read).post(enable).delete(disable);
    Router::new()
        .route("/v1/app/state/{app}", app)
        .with_state(store)
}

/// What every one of these requests names.
struct Named {
    user: String,
    app: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let user = rest::username(&parts.headers)
            .ok_or_else(rest::no_username)?
            .to_owned();
        let path: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let Ok(Path(app)) = path else {
            return Err(wrong("the app's name is not UTF-8; encode it as UTF-8"));
        };
        for (what, name) in [("username", &user), ("the app's name", &app)] {
            if name.len() > MAX_NAME {
                let length = name.len();
                return Err(wrong(&format!(
                    "{what} has {length} bytes; send at most {MAX_NAME}"
                )));
            }
        }
        if app.contains('\0') {
            return Err(wrong("the app's name holds a NUL character; remove it"));
        }
        Ok(Self { user, app })
    }
}

fn wrong(message: &str) -> Response {
    rest::text_error(StatusCode::BAD_REQUEST, message)
}

/// `"true"`, `"false"`, or `""` when nothing was decided.
async fn read(State(store): State<Store>, Named { user, app }: Named) -> Response {
    match store.app(&user, &app).await {
        Ok(found) => {
            let decision = match found.and_then(|app| app.decision) {
                Some(true) => "true",
                Some(false) => "false",
                None => "",
            };
            rest::json(StatusCode::OK, &decision)
        }
        Err(error) => refused("read", &error),
    }
}

async fn enable(store: State<Store>, named: Named) -> Response {
    decide(store, named, true).await
}

async fn disable(store: State<Store>, named: Named) -> Response {
    decide(store, named, false).await
}

async fn decide(State(store): State<Store>, Named { user, app }: Named, enabled: bool) -> Response {
    match store.set(&user, &app, enabled).await {
        Ok(_) => {
            tracing::info!(user, app, enabled, "persistence was decided");
            rest::raw_json(StatusCode::OK, "")
        }
        Err(error) => refused("set", &error),
    }
}

/// Logs what the caller is not told.
fn refused(call: &'static str, error: &Error) -> Response {
    tracing::warn!(
        call,
        error = error as &dyn std::error::Error,
        "an app's state could not be told"
    );
    rest::refused(&error.status())
}
