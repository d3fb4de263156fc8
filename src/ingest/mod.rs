//! The way in: from a message on a socket to rows in the tables and an ack.
//!
//! In the order in which an event meets them:
//!
//! 1. [`grpc`] reads a chunk and waits for room in the [`queue`]'s budget;
//! 2. [`load`] has [`wire`] decode each event, [`admission`] decide on it, and [`row`] encode it;
//! 3. [`queue::Intake`] opens a [`ticket`] and hands a part to each lane concerned;
//! 4. a [`lane`] fills a batch, writes it in one transaction and settles the parts;
//! 5. the receipt is answered, `grpc` sends the ack, and the memory is free again.
//!
//! While the database is away a lane's batches go to the [`spool`], and from there back to the lanes.
//!
//! [`rest`] does the same for single events that Flogo's engines post; [`owners`] says which app a
//! step without one is of, [`skipped`] tells the other servers of starts that were not recorded.
//!
//! [`cut`] marks what a rerun in place leaves behind; [`erase`] deletes instances. [`sweep`] repeats on
//! a tick what two writers may have missed of each other.

pub mod admission;
pub mod cut;
pub mod erase;
pub mod grpc;
pub mod lane;
pub mod load;
pub mod metrics;
pub mod owners;
pub mod queue;
pub mod refusals;
pub mod rest;
pub mod row;
pub mod skipped;
pub mod spool;
pub mod sweep;
pub mod ticket;
pub mod wire;
