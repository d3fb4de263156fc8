//! What a run gave, as a table or as JSON.

use std::time::Duration;

use serde::Serialize;

use super::{Protocol, cost::Cost, tally::Tally};
use crate::cli::output::{self, Output};

/// What is printed. Figures that cannot be seen are null.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    protocol: Protocol,
    connections: usize,
    /// Events that were answered, those that were sent again too.
    pub(super) events: u64,
    pub(super) recorded: u64,
    skipped: u64,
    superseded: u64,
    pub(super) refused: u64,
    seconds: f64,
    events_per_second: f64,
    /// Encoded events, in 10^6 bytes.
    megabytes_per_second: f64,
    ack_p50_ms: f64,
    ack_p95_ms: f64,
    ack_p99_ms: f64,
    ack_max_ms: f64,
    server_cpu_seconds: Option<f64>,
    server_cpu_us_per_event: Option<f64>,
    /// The most that was seen during the run, in 10^6 bytes.
    server_memory_megabytes: Option<f64>,
    postgres_cpu_seconds: Option<f64>,
    client_cpu_seconds: Option<f64>,
    /// Counted in the tables afterwards, with `--verify`.
    pub(super) flowstate_rows: Option<i64>,
    pub(super) steps_rows: Option<i64>,
    /// What the instance ids of the run end in.
    instances_end_in: String,
}

/// What a report is made of.
pub(super) struct Measured<'a> {
    pub(super) protocol: Protocol,
    pub(super) connections: usize,
    pub(super) tally: &'a Tally,
    pub(super) took: Duration,
    pub(super) before: Cost,
    pub(super) after: Cost,
    pub(super) most_server_bytes: Option<f64>,
    pub(super) suffix: &'a str,
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn new(measured: &Measured<'_>) -> Self {
        let tally = measured.tally;
        let (before, after) = (&measured.before, &measured.after);
        let seconds = measured.took.as_secs_f64().max(1e-6);
        let spent = |before: Option<f64>, after: Option<f64>| {
            before.zip(after).map(|(before, after)| after - before)
        };
        let server = spent(before.server, after.server);
        Self {
            protocol: measured.protocol,
            connections: measured.connections,
            events: tally.events,
            recorded: tally.recorded,
            skipped: tally.skipped,
            superseded: tally.superseded,
            refused: tally.refused,
            seconds: rounded(seconds),
            events_per_second: (tally.events as f64 / seconds).round(),
            megabytes_per_second: rounded(tally.bytes as f64 / 1e6 / seconds),
            ack_p50_ms: tally.wait_ms(0.5),
            ack_p95_ms: tally.wait_ms(0.95),
            ack_p99_ms: tally.wait_ms(0.99),
            ack_max_ms: tally.wait_ms(1.0),
            server_cpu_seconds: server.map(rounded),
            server_cpu_us_per_event: server
                .map(|seconds| rounded(seconds * 1e6 / (tally.events as f64).max(1.0))),
            server_memory_megabytes: measured.most_server_bytes.map(|bytes| rounded(bytes / 1e6)),
            postgres_cpu_seconds: spent(before.postgres, after.postgres).map(rounded),
            client_cpu_seconds: spent(before.client, after.client).map(rounded),
            flowstate_rows: None,
            steps_rows: None,
            instances_end_in: measured.suffix.to_owned(),
        }
    }

    /// Prints it: a line for each figure that is known, or one JSON object.
    pub(super) fn print(&self, output: Output) -> anyhow::Result<()> {
        if output == Output::Json {
            return output::object(self);
        }
        output::figures(self)
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
