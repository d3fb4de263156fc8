//! Which instances.

use std::time::Duration;

use super::Error;
use crate::event::Micros;

/// Only instances for which all of these hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `userid`.
    pub user: Option<String>,
    /// `appname`.
    pub app: Option<String>,
    /// `appversion`.
    pub version: Option<String>,
    /// `flowname`.
    pub flow: Option<String>,
    /// `hostid`.
    pub host: Option<String>,
    /// `status`: any of these; any at all when empty.
    pub statuses: Vec<String>,
    /// Started at or after.
    pub from: Option<Micros>,
    /// Started before.
    pub before: Option<Micros>,
    /// `rerunofflowinstanceid`.
    pub original: Option<String>,
    /// This instance or a rerun of it.
    pub related_to: Option<String>,
    /// Ran at least so long.
    pub at_least: Option<Duration>,
    /// Ran at most so long.
    pub at_most: Option<Duration>,
}

impl Filter {
    /// Checks what no database has to be asked for: lengths, NUL characters, empty ranges, the
    /// words of `statuses`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn check(&self) -> Result<(), Error> {
        todo!("texts, statuses, ranges")
    }
}
