//! Whose bytes they are: what the budget and the lanes are shared among.

use std::sync::Arc;

use crate::event::App;

/// Whoever takes room for events; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    App(Arc<App>),
    Unnamed,
    Drain,
}

impl Holder {
    /// An app of a user, whatever its events come over.
    pub fn app(app: Arc<App>) -> Self {
        Self(Kind::App(app))
    }

    /// Everybody who does not say which app reports.
    pub fn unnamed() -> Self {
        Self(Kind::Unnamed)
    }

    /// What comes back out of the spool.
    pub fn drain() -> Self {
        Self(Kind::Drain)
    }

    /// `app`, or one of the unnamed.
    pub fn of(app: Option<&Arc<App>>) -> Self {
        app.map_or_else(Self::unnamed, |app| Self::app(Arc::clone(app)))
    }
}
