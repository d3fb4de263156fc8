//! PostgreSQL: how it is reached.

pub mod connect;
pub mod pool;

pub use connect::Connector;
pub use pool::{Pool, pool};

/// Why the database cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one, or the server did not let us in.
    #[error("the database cannot be reached")]
    Driver(#[from] tokio_postgres::Error),
    /// Nobody answered in time.
    #[error("the database did not answer in time")]
    Timeout,
}
