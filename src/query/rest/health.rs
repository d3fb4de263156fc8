//! Route 1.

use std::time::Duration;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;

use crate::{
    query::{History, health::Tables},
    rest,
};

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// `DBDetails` of contract 1.3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    sm_version: &'static str,
    connected: bool,
    tables_exists: bool,
    message: &'static str,
    status: bool,
}

/// Always 200: it is the body that says how things are.
pub(super) async fn read(State(history): State<History>) -> Response {
    let details = match tokio::time::timeout(ANSWER, history.tables()).await {
        Ok(Ok(tables)) => there(tables),
        Ok(Err(error)) => {
            tracing::debug!(%error, "health was asked for");
            away(error.kind())
        }
        Err(_) => away("the database did not answer in time"),
    };
    rest::json(StatusCode::OK, &details)
}

fn there(tables: Tables) -> Details {
    let (sm_version, message) = match (tables.complete, tables.payloads) {
        (true, true) => ("2.0", "Connected"),
        (true, false) => ("1.0", "Connected"),
        (false, _) => (
            "",
            "One or more required tables are missing in the database schema",
        ),
    };
    Details {
        sm_version,
        connected: true,
        tables_exists: tables.complete,
        message,
        status: true,
    }
}

fn away(message: &'static str) -> Details {
    Details {
        sm_version: "",
        connected: false,
        tables_exists: false,
        message,
        status: false,
    }
}
