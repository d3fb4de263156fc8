//! PostgreSQL: how it is reached, and what to do when it refuses.
//!
//! Stands below the slices that run statements and imports nothing of ours but `config`. From a
//! database URL ([`Options`]) to one connection ([`Connector`]) or a few for queries ([`pool`]); from
//! an error to its remedy ([`Error`], [`Retry`]).
//!
//! Invariants: no connection is waited for longer than `--connect-timeout`, authentication included;
//! a message of the server reaches `on_message` before any answer that follows it; no password is in
//! an error, in a log line or in a `Debug`; an error is one line that ends in what to do.
//!
//! Not here: the statements of the slices; a second try (whoever holds the work decides, by
//! [`Retry`]); anything read from libpq's environment variables.

pub mod binary;
mod check;
mod connect;
pub mod direct;
pub mod embedded;
mod errors;
mod given;
mod hosts;
mod lookout;
pub mod metrics;
pub mod migrate;
mod options;
mod passfile;
mod pipe;
mod pool;
mod refusal;
mod retry;
mod rope;
mod standing;
mod tls;
mod words;

pub use deadpool_postgres::Pool;

pub use check::{Finding, Level, check};
pub use connect::Connector;
pub use direct::Direct;
pub use errors::Error;
pub use lookout::Lookout;
pub use options::{Options, Session, Target};
pub use pool::{leave, pool};
pub use refusal::Refusal;
pub use retry::{Retry, ends_session, is_stale, verdict, verdict_of};
pub use rope::Rope;
