//! Everything that needs more than one module or a real server: one program, one private PostgreSQL,
//! a database for each test.
#![expect(clippy::unwrap_used, reason = "a test that fails here says so")]

mod apps;
mod architecture;
mod commands;
mod control;
mod delete;
mod docs;
mod durability;
mod embedded;
mod engine;
mod failover;
mod faults;
mod fixtures;
mod flogo_config;
mod fuzz;
mod history;
mod lane;
mod live;
mod merge;
mod migrate;
mod noise;
mod ops;
mod oracle;
mod pending;
mod pg_connect;
mod plan;
mod program;
mod protocol;
mod record;
mod recorder;
mod reflection;
mod refusals;
mod rest;
mod server;
mod spool;
mod statements;
mod support;
mod tls;
mod toggles;
