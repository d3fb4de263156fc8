//! Tests against real servers: one program, one private PostgreSQL, a database for each test.

mod apps;
mod control;
mod ops;
mod server;
mod support;
mod tls;
