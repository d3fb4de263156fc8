//! What was just stored, told to whoever watches.

use std::sync::Arc;

use bytes::Bytes;

/// What one transaction of this server stored. Sent after its COMMIT, over channels that never
/// hold up the writer: who is too slow misses some.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// The instances it touched, each once.
    pub instances: Vec<Arc<str>>,
    /// Its steps; empty while nobody asks for steps.
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
