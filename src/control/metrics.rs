//! What is measured of the toggles.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::time::Instant;

const AGE: &str = "flowtrail_toggles_age_seconds";
const RELOADS: &str = "flowtrail_toggles_reloads";
const FAILURES: &str = "flowtrail_toggles_reload_failures";
const APPS: &str = "flowtrail_toggles_apps";

/// The metrics of this slice; clones count into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(super) age: Age,
    pub(super) reloads: Counter,
    pub(super) failures: Family<Failure, Counter>,
    pub(super) apps: Gauge,
}

/// Why the table could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    /// No connection, or it was lost.
    Connection,
    /// No answer in time.
    Timeout,
    /// The database refused the statement.
    Statement,
}

impl EncodeLabelValue for Reason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Statement => "statement",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Failure {
    pub(super) reason: Reason,
}

/// Seconds since the newest good read of the table, computed when it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Age(Arc<Mutex<Instant>>);

impl Default for Age {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Age {
    pub(super) fn restart(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl EncodeMetric for Age {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        encoder.encode_gauge(&since.elapsed().as_secs_f64())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

impl Metrics {
    /// Puts the metrics of the toggles into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            AGE,
            "Seconds since appstate was last read",
            metrics.age.clone(),
        );
        registry.register(RELOADS, "Reads of appstate", metrics.reloads.clone());
        registry.register(
            FAILURES,
            "Reads of appstate that failed",
            metrics.failures.clone(),
        );
        registry.register(APPS, "Apps in the snapshot", metrics.apps.clone());
        metrics
    }
}
