//! WHAT MAY COME IN: which apps have their history recorded.
//!
//! The table `appstate` is the truth. Every server keeps a snapshot of it ([`Toggles`]) that a loop
//! of its own ([`Listener`]) follows; [`Store`] is the way to change it, [`grpc`] and [`rest`] are the
//! faces of that. A decision made here, by plain SQL or by another server reaches the snapshot within a
//! second: at once through a notification, within the 500 ms tick without one.
//!
//! While the database is away the last good snapshot holds, and its age is a metric. Not here:
//! what a decision means for an event (that is admission's), and the registration of new apps (an
//! ingest lane writes those rows in its own transaction).

mod error;
pub mod grpc;
mod listen;
mod metrics;
pub mod rest;
mod snapshot;
mod store;
mod toggles;

pub use error::Error;
pub use listen::Listener;
pub use metrics::Metrics;
pub use snapshot::App;
pub use store::Store;
pub use toggles::Toggles;
