//! What is measured of the pool, read when it is asked for.

use std::fmt;

use deadpool_postgres::Pool;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::gauge::ConstGauge,
    registry::Registry,
};

/// Registers the state of `pool`.
pub fn register(registry: &mut Registry, pool: &Pool) {
    registry.register_collector(Box::new(State(pool.clone())));
}

struct State(Pool);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.0.status();
        let gauges = [
            (
                "flowtrail_pool_connections",
                "Connections of the pool",
                status.size,
            ),
            (
                "flowtrail_pool_connections_idle",
                "Connections nobody uses",
                status.available,
            ),
            (
                "flowtrail_pool_connections_limit",
                "Connections the pool may have",
                status.max_size,
            ),
            (
                "flowtrail_pool_waiting",
                "Callers that wait for a connection",
                status.waiting,
            ),
        ];
        for (name, help, number) in gauges {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
