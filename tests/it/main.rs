//! Tests against real servers: one program, one private PostgreSQL, a database for each test.
#![expect(clippy::unwrap_used, reason = "a test that fails here says so")]

mod embedded;
mod migrate;

mod apps;
mod control;
mod ops;
mod server;
mod support;
