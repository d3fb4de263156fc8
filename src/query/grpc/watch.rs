//! Instances as they change.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{Stream, stream};

use super::answer::{self, Bounded as _};
use crate::{
    proto::{self, WatchInstancesResponse},
    query::{
        Filter, History,
        watch::{Change, Changes},
    },
    status::{Code, Status},
};

/// Instances read at once.
const AT_ONCE: usize = 1_000;

/// The pause before rows are read again that a database which is away did not give.
const AGAIN: Duration = Duration::from_millis(500);

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
                match self.history.instances_of(&ids, &self.filter).await {
                    Ok(found) => self.found = found.into_iter().map(answer::instance).collect(),
                    // They are read when the database is back.
                    Err(error) if error.status().code == Code::Unavailable => {
                        self.named.extend(named);
                        if self.changes.ended_within(AGAIN).await {
                            return Err(ended());
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
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
                Change::End => return Err(ended()),
            }
        }
    }
}

fn ended() -> tonic::Status {
    Status::unavailable("the server is stopping; watch again, another one answers").into()
}
