//! What tests stand on: databases of their own, and clusters they may stop and kill.
//!
//! The databases live in one private cluster that ends with the test process, however that ends, or
//! in the server that `TEST_DATABASE_URL` names, whose role must be allowed to create databases.

mod chance;
mod cluster;
mod data_dir;
mod database;
mod load;
mod programs;
mod proxy;
mod rest;
mod run;
mod service;
mod stream;
mod tests;
mod wait;
mod watchdog;

pub(crate) use chance::Chance;
pub(crate) use cluster::Cluster;
pub(crate) use data_dir::DataDir;
pub(crate) use database::{TestDatabase, connect, count, database, empty_database, options};
pub(crate) use load::{BIG, Ledger, Load, SMALL, Shape, verify};
pub(crate) use programs::{dump, psql};
pub(crate) use proxy::Proxy;
pub(crate) use rest::{Answer, Rest};
pub(crate) use run::Run;
pub(crate) use service::{Program, free_address, http, metric, serve};
pub(crate) use stream::{Stream, end, events, hello, start, step, time};
pub(crate) use wait::{eventually, hold, release};
pub(crate) use watchdog::Watchdog;
