//! The REST face of the way in.

pub mod rerun;
