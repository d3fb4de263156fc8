//! flowtrail: the execution history of flow engines, kept in PostgreSQL.

pub mod cli;
pub mod config;
pub mod event;
pub mod lifecycle;
pub mod proto;
pub mod status;
