//! What was just stored, told to whoever watches.

use std::sync::Arc;

use bytes::Bytes;

/// A part of what one transaction of this server stored: names or steps, each over a channel of its
/// own. Sent after the COMMIT; no channel holds up the writer, and who is too slow misses some.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Instances that the transaction touched, each once.
    pub instances: Vec<Arc<str>>,
    /// Its steps in the order of the batch, those without content left out.
    pub steps: Vec<CommittedStep>,
}

/// A step that is stored.
#[derive(Clone, Debug)]
pub struct CommittedStep {
    /// `flowinstanceid`.
    pub instance: Arc<str>,
    /// The app whose engine reported it, where the edge knows it.
    pub app: Option<Arc<App>>,
    /// `stepdata`.
    pub content: Bytes,
}

/// An app of a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct App {
    /// `userid`.
    pub user: String,
    /// `appname`.
    pub app: String,
}
