//! Tests against real servers: one program for all of them.

mod pg_connect;
