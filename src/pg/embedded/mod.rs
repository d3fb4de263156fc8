//! The private PostgreSQL that runs when no database is named.

pub mod binaries;

pub use binaries::{Binaries, Missing};
