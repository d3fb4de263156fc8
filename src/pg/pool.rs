//! Connections for queries.

use deadpool_postgres::{Manager, Runtime};
use tokio_postgres::NoTls;

use super::Connector;
use crate::config;

/// Connections for queries and housekeeping.
pub type Pool = deadpool_postgres::Pool;

/// A pool over `connector`.
pub fn pool(connector: &Connector, options: &config::Database) -> Pool {
    Pool::builder(Manager::new(connector.config.clone(), NoTls))
        .max_size(options.pool_size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(options.connect_timeout))
        .create_timeout(Some(options.connect_timeout))
        .build()
        .expect("a runtime is named")
}
