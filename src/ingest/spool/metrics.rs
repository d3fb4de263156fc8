//! What is measured of the spool.

use std::sync::Arc;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::{Spool, state::Shared};

/// Registers what `spool` counts and measures.
pub fn register(registry: &mut Registry, spool: &Spool) {
    registry.register_with_unit(
        "flowtrail_spool_sync",
        "Time that syncing a group of records took",
        Unit::Seconds,
        spool.shared.sync_seconds.clone(),
    );
    registry.register_collector(Box::new(Now(Arc::clone(&spool.shared))));
}

/// What is read when it is asked for.
#[derive(Debug)]
struct Now(Arc<Shared>);

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.0.status();
        let rejected_kept = self.0.state().rejected_kept;
        let bytes = Some(&Unit::Bytes);
        let gauges = [
            (
                "flowtrail_spool",
                "Bytes on disk, preallocated ones included",
                bytes,
                status.bytes,
            ),
            (
                "flowtrail_spool_limit",
                "Bytes that may be taken",
                bytes,
                status.limit_bytes,
            ),
            (
                "flowtrail_spool_pending_events",
                "Events kept that are not in the tables yet",
                None,
                status.events,
            ),
            (
                "flowtrail_spool_rejected_rows",
                "Rows in rejected/ now",
                None,
                rejected_kept,
            ),
        ];
        for (name, help, unit, number) in gauges {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let age = ConstGauge::new(status.oldest_age.unwrap_or_default().as_secs_f64());
        let metric = encoder.encode_descriptor(
            "flowtrail_spool_oldest_age",
            "Age of the oldest event that is not in the tables yet",
            Some(&Unit::Seconds),
            age.metric_type(),
        )?;
        age.encode(metric)?;
        let counters = [
            (
                "flowtrail_spool_appended_events",
                "Events kept",
                status.appended,
            ),
            (
                "flowtrail_spool_drained_events",
                "Events written to the tables, or rejected by them",
                status.drained,
            ),
            (
                "flowtrail_spool_quarantined",
                "Damaged stretches put aside",
                status.quarantined,
            ),
            (
                "flowtrail_spool_rejections",
                "Rows put into rejected/",
                status.rejected,
            ),
        ];
        for (name, help, number) in counters {
            let counter = ConstCounter::new(number);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}
