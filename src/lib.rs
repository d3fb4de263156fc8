//! flowtrail: the execution history of flow engines, kept in PostgreSQL.
//!
//! Engines stream what happened (a flow started, a step ran, a flow ended) over gRPC; flowtrail
//! writes it with COPY, acknowledges only what is durable, and lets operators switch history on and
//! off per app while everything runs.
//!
//! A tour, in reading order:
//!
//! 1. [`event`]: what is recorded. Pure types; an event that exists in them can be stored.
//! 2. [`ingest`]: the way in, from a message on a socket to rows in the tables and an ack. Begin with
//!    its header; [`ingest::grpc`], [`ingest::load`], [`ingest::queue`] and [`ingest::lane`] are
//!    the stations.
//! 3. [`control`]: what may come in, the toggles of `appstate`.
//! 4. [`query`]: the way out, instances, steps, snapshots and what a rerun needs; [`rest`]: what the
//!    REST faces have in common.
//! 5. [`pg`]: PostgreSQL, from a URL to a connection and from an SQLSTATE to a remedy; the schema's
//!    migrations and the embedded server.
//! 6. [`app`]: the wiring; [`lifecycle`]: the phases and the order of a stop; [`server`]: the port.
//! 7. [`ops`]: how it is watched; [`cli`]: how it is driven; [`config`]: every option.
//!
//! `ARCHITECTURE.md` says why things are as they are.

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
pub mod query;
pub mod rest;
pub mod server;
pub mod status;
