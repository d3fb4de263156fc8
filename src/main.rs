//! The `flowtrail` program.

fn main() {}
