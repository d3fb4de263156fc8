//! What is recorded: pure, without input or output.

pub mod flogo;
