//! PostgreSQL: how it is reached, which tables are there, and the private server that runs when no
//! other is named.

mod connect;
pub mod embedded;
pub mod migrate;

pub use connect::{Connector, Error};
