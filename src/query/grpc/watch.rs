//! Instances as they change.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{Stream, stream};

use super::answer::{self, Bounded as _};
use crate::{
    proto::{self, WatchInstancesResponse},
    query::{
        Filter, History,
        watch::{Change, Changes},
    },
    status::Status,
};

/// Instances read at once.
const AT_ONCE: usize = 1_000;

/// What changes from now on, as far as it passes `filter`. Rows are read when the client takes the
/// response: one that is slow is told less often, and of the rows as they are then.
pub(super) fn responses(
    history: History,
    filter: Filter,
    changes: Changes,
) -> impl Stream<Item = Result<WatchInstancesResponse, tonic::Status>> + Send + 'static {
    let watcher = Watcher {
        history,
        filter,
        changes,
        named: Vec::new(),
        found: VecDeque::new(),
    };
    stream::try_unfold(watcher, |mut watcher| async {
        let response = watcher.next().await?;
        Ok(Some((response, watcher)))
    })
}

struct Watcher {
    history: History,
    filter: Filter,
    changes: Changes,
    /// Changed, and not read yet.
    named: Vec<Arc<str>>,
    /// Read, and not sent yet.
    found: VecDeque<proto::Instance>,
}

impl Watcher {
    async fn next(&mut self) -> Result<WatchInstancesResponse, tonic::Status> {
        loop {
            if !self.found.is_empty() {
                let sent = self.found.iter().cloned().bounded().count();
                return Ok(WatchInstancesResponse {
                    changed: self.found.drain(..sent).collect(),
                    resync: false,
                });
            }
            if !self.named.is_empty() {
                let rest = self.named.len().saturating_sub(AT_ONCE);
                let named = self.named.split_off(rest);
                let ids: Vec<&str> = named.iter().map(|id| &**id).collect();
                let found = self.history.instances_of(&ids, &self.filter).await?;
                self.found = found.into_iter().map(answer::instance).collect();
                continue;
            }
            match self.changes.next().await {
                Change::Changed(named) => self.named = named,
                Change::Resync => {
                    return Ok(WatchInstancesResponse {
                        changed: Vec::new(),
                        resync: true,
                    });
                }
                Change::End => {
                    let again = "the server is stopping; watch again, another one answers";
                    return Err(Status::unavailable(again).into());
                }
            }
        }
    }
}
