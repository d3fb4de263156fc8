//! The registry and `/metrics`.

use std::sync::Arc;

use axum::{Router, response::IntoResponse, routing::get};
use http::{StatusCode, header::CONTENT_TYPE};
use prometheus_client::{encoding::text::encode, metrics::info::Info, registry::Registry};

use super::process;

/// OpenMetrics 1.0 in text (its specification, section "Content Type").
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const BUILD: &str = "flowtrail_build";

/// A registry of its own for each process, and each test, that says which build this is and what its
/// process takes. The slices register in it.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register(BUILD, "The build that runs", build);
    process::register(&mut registry);
    registry
}

/// `/metrics`: what `registry` holds, in OpenMetrics text.
pub fn routes(registry: Arc<Registry>) -> Router {
    Router::new().route(
        "/metrics",
        get(move || async move {
            let mut text = String::new();
            match encode(&mut text, &registry) {
                Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be written");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }),
    )
}
