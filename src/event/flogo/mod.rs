//! Flogo's JSON, as its engines post it, turned into what is recorded.
//!
//! Reads like Go's `encoding/json`, which the engines' own service is made of: keys match whatever
//! their case, unknown keys are ignored, `null` is the zero value, a wrong type fails the whole
//! body with the name of the field. Where that service crashes on a body (`null` inside
//! `flowChanges` or `tasks`), this one says what is wrong with it. Payloads keep the bytes they
//! came with; nothing is encoded again.

use std::borrow::Cow;

mod content;
mod flow;
mod json;
mod scan;
mod snapshot;
mod step;
mod time;

pub use content::{
    Change, Changed, Content, FlowChange, LinkChange, Payload, QueueChange, TaskChange,
};
pub use flow::FlowState;
pub use json::Invalid;
pub use snapshot::check_snapshot;
pub use step::Step;
pub use time::Time;

/// A body as a text. As for Go, a byte that belongs to no character is U+FFFD.
pub fn readable(body: &[u8]) -> Cow<'_, str> {
    // the quick check first: what is not lossy is nearly everything
    str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}
