//! The server, the database and the engine are killed and frozen while the engine runs flows, and what
//! it says is compared with the tables.

mod crash;
mod frozen;
mod restarts;
