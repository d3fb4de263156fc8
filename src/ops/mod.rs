//! HOW IT IS WATCHED: metrics, health, logs and reflection.
//!
//! Each slice counts for itself into the registry made here; what "ready" means is handed in as a
//! [`Probe`], so nothing here knows a slice.

pub mod grpc;
pub mod health;
pub mod metrics;
pub mod process;
pub mod telemetry;

pub use health::{Probe, Readiness};
