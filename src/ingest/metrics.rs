//! What is measured of the way in.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{
    lane::Standing,
    queue::{Budget, Intake, Spread},
    ticket::Counts,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

/// The numbers of the way in; clones are cheap and count into the same ones.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    recorded: Counter,
    completed: Counter,
    skipped: Counter,
    superseded: Counter,
    invalid: Counter,
    lost: Counter,
    refusals: Family<Reason, Counter>,
    failures: Family<Class, Counter>,
    without_app: Family<Reason, Counter>,
    batch_rows: Histogram,
    flush: Histogram,
    ack: Histogram,
}

impl Metrics {
    /// Makes the metrics and registers them, the bytes and the lanes of `intake` and the troubles of
    /// `standing` among them.
    pub fn register(registry: &mut Registry, intake: &Intake, standing: Arc<Standing>) -> Self {
        let events = Family::<Outcome, Counter>::default();
        let chunks = Family::<Outcome, Counter>::default();
        let of = |outcome| events.get_or_create_owned(&Outcome { outcome });
        let without_app = Family::<Reason, Counter>::default();
        for reason in ["unknown", "unanswered"] {
            drop(without_app.get_or_create(&Reason { reason }));
        }
        let numbers = Numbers {
            recorded: of("recorded"),
            completed: of("completed"),
            skipped: of("skipped"),
            superseded: of("superseded"),
            invalid: of("invalid"),
            lost: chunks.get_or_create_owned(&Outcome { outcome: "lost" }),
            refusals: Family::default(),
            failures: Family::default(),
            without_app,
            batch_rows: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            flush: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            ack: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
        };
        registry.register(
            "flowtrail_ingest_events",
            "Events answered, by outcome",
            events,
        );
        registry.register(
            "flowtrail_ingest_chunks",
            "Chunks not acknowledged, by outcome",
            chunks,
        );
        registry.register(
            "flowtrail_ingest_refusals",
            "Streams, chunks and posted events refused, by reason",
            numbers.refusals.clone(),
        );
        registry.register(
            "flowtrail_ingest_write_failures",
            "Transactions that did not commit, by class",
            numbers.failures.clone(),
        );
        registry.register(
            "flowtrail_ingest_unknown_instance_steps",
            "Posted steps recorded although nobody knew which app they were of, by reason",
            numbers.without_app.clone(),
        );
        registry.register(
            "flowtrail_ingest_batch_rows",
            "Rows of a batch",
            numbers.batch_rows.clone(),
        );
        registry.register_with_unit(
            "flowtrail_ingest_flush",
            "Time from taking a batch to its last commit",
            Unit::Seconds,
            numbers.flush.clone(),
        );
        registry.register_with_unit(
            "flowtrail_ingest_ack",
            "Time from reading a chunk to its answer",
            Unit::Seconds,
            numbers.ack.clone(),
        );
        registry.register_collector(Box::new(Now {
            budget: intake.budget().clone(),
            spread: intake.spread().clone(),
            standing,
        }));
        Self(Arc::new(numbers))
    }

    /// The events of a chunk were answered after `time`.
    pub(super) fn answered(&self, counts: &Counts, time: Duration) {
        self.0.recorded.inc_by(counts.recorded);
        self.0.completed.inc_by(counts.completed);
        self.0.skipped.inc_by(counts.skipped);
        self.0.superseded.inc_by(counts.superseded);
        self.0.invalid.inc_by(counts.invalid);
        self.0.ack.observe(time.as_secs_f64());
    }

    /// A chunk was lost.
    pub(super) fn lost(&self) {
        self.0.lost.inc();
    }

    /// A stream, chunk or posted event was refused.
    pub(super) fn refused(&self, reason: &'static str) {
        self.0.refusals.get_or_create(&Reason { reason }).inc();
    }

    /// A step was recorded whose app is `reason`: unknown, or unanswered by the database.
    pub(super) fn without_app(&self, reason: &'static str) {
        self.0.without_app.get_or_create(&Reason { reason }).inc();
    }

    /// A transaction did not commit.
    pub(super) fn failed(&self, class: &'static str) {
        self.0.failures.get_or_create(&Class { class }).inc();
    }

    /// A batch was written.
    #[expect(
        clippy::cast_precision_loss,
        reason = "batches are far below 2^52 rows"
    )]
    pub(super) fn flushed(&self, rows: usize, time: Duration) {
        self.0.batch_rows.observe(rows as f64);
        self.0.flush.observe(time.as_secs_f64());
    }
}

/// What is read when it is asked for.
#[derive(Debug)]
struct Now {
    budget: Budget,
    spread: Spread,
    standing: Arc<Standing>,
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bytes = Some(&Unit::Bytes);
        let gauges = [
            (
                "flowtrail_ingest_queue",
                "Bytes taken and not answered yet",
                bytes,
                self.budget.held_bytes(),
            ),
            (
                "flowtrail_ingest_queue_limit",
                "Bytes that may be taken",
                bytes,
                self.budget.limit_bytes(),
            ),
            (
                "flowtrail_ingest_lanes_taking",
                "Lanes among which new events are spread",
                None,
                self.spread.among(),
            ),
            (
                "flowtrail_ingest_lanes_waiting",
                "Lanes that wait for the database",
                None,
                self.standing.waiting(),
            ),
            (
                "flowtrail_ingest_lanes_spooling",
                "Lanes whose new batches go to the spool",
                None,
                self.standing.spooling(),
            ),
        ];
        for (name, help, unit, number) in gauges {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
