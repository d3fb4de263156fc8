//! The REST face of the way out.

pub mod stream;
