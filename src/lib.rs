//! flowtrail: the execution history of flow engines, kept in PostgreSQL.

pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod event;
pub mod ingest;
pub mod lifecycle;
pub mod ops;
pub mod pg;
pub mod proto;
pub mod server;
pub mod status;
