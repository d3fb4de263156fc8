//! The service `flowtrail.v1.Apps`.

use std::{collections::VecDeque, error::Error as StdError, pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response};

use super::{App, Error, Store, Toggles, snapshot::Snapshot};
use crate::{
    lifecycle::Lifecycle,
    proto::{
        self, ListAppsRequest, ListAppsResponse, SetAppRequest, SetAppResponse, WatchAppsRequest,
        WatchAppsResponse,
        apps_server::{Apps, AppsServer},
    },
    status::Status,
};

/// Longest user or app name, in bytes; what an index of PostgreSQL takes with ease.
const MAX_NAME: usize = 512;
/// Apps in one response of a watch: well under the 4 MiB that clients take by default.
const PAGE: usize = 1000;

/// The service over the table and the snapshot.
#[derive(Debug)]
pub struct Service {
    store: Store,
    toggles: Toggles,
    stopping: CancellationToken,
}

/// The service; its watches end when `lifecycle` stops.
#[must_use]
pub fn service(store: Store, toggles: Toggles, lifecycle: &Lifecycle) -> AppsServer<Service> {
    AppsServer::new(Service {
        store,
        toggles,
        stopping: lifecycle.stopping().clone(),
    })
}

#[tonic::async_trait]
impl Apps for Service {
    async fn list(
        &self,
        request: Request<ListAppsRequest>,
    ) -> Result<Response<ListAppsResponse>, tonic::Status> {
        let ListAppsRequest { user } = request.into_inner();
        check_filter(user.as_deref())?;
        let listed = self.store.list(user.as_deref()).await;
        let apps = listed.map_err(|error| refused("list", &error))?;
        let apps = apps.into_iter().map(|app| message(&self.toggles, app));
        Ok(Response::new(ListAppsResponse {
            apps: apps.collect(),
        }))
    }

    async fn set(
        &self,
        request: Request<SetAppRequest>,
    ) -> Result<Response<SetAppResponse>, tonic::Status> {
        let SetAppRequest {
            user,
            app,
            persistence_enabled,
        } = request.into_inner();
        check("user", &user)?;
        check("app", &app)?;
        let set = self.store.set(&user, &app, persistence_enabled).await;
        let decided = set.map_err(|error| refused("set", &error))?;
        tracing::info!(user, app, persistence_enabled, "persistence was decided");
        Ok(Response::new(SetAppResponse {
            app: Some(message(&self.toggles, decided)),
        }))
    }

    type WatchStream =
        Pin<Box<dyn Stream<Item = Result<WatchAppsResponse, tonic::Status>> + Send + 'static>>;

    async fn watch(
        &self,
        request: Request<WatchAppsRequest>,
    ) -> Result<Response<Self::WatchStream>, tonic::Status> {
        let WatchAppsRequest { user } = request.into_inner();
        check_filter(user.as_deref())?;
        let watcher = Watcher {
            user,
            changes: self.toggles.changes(),
            toggles: self.toggles.clone(),
            stopping: self.stopping.clone(),
            seen: Arc::default(),
            started: false,
            initial: false,
            pending: VecDeque::new(),
        };
        let responses = stream::unfold(Some(watcher), |watcher| async {
            let mut watcher = watcher?;
            match watcher.next().await {
                Ok(response) => Some((Ok(response), Some(watcher))),
                Err(status) => Some((Err(status.into()), None)),
            }
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// One subscriber. It is asked for the next response only when the last one is on its way, and
/// then compares what it told with what holds now: a slow one skips states and delays nobody.
struct Watcher {
    user: Option<String>,
    toggles: Toggles,
    changes: watch::Receiver<u64>,
    stopping: CancellationToken,
    seen: Arc<Snapshot>,
    started: bool,
    /// The list of all apps was told completely.
    initial: bool,
    pending: VecDeque<App>,
}

impl Watcher {
    async fn next(&mut self) -> Result<WatchAppsResponse, Status> {
        loop {
            if self.stopping.is_cancelled() {
                return Err(Status::unavailable(
                    "the server is stopping; watch again, another one answers",
                ));
            }
            if let Some(response) = self.page() {
                return Ok(response);
            }
            if self.started {
                tokio::select! {
                    () = self.stopping.cancelled() => continue,
                    changed = self.changes.changed() => {
                        changed.map_err(|_| Status::unavailable("the toggles are closed; watch again"))?;
                    }
                }
            }
            self.started = true;
            self.changes.mark_unchanged();
            let now = self.toggles.snapshot();
            let changed = now.since(&self.seen);
            let mine = |app: &App| self.user.as_ref().is_none_or(|user| *user == app.user);
            self.pending.extend(changed.into_iter().filter(mine));
            self.seen = now;
        }
    }

    /// The next response out of what is pending.
    fn page(&mut self) -> Option<WatchAppsResponse> {
        let completes = self.started && !self.initial && self.pending.len() <= PAGE;
        if self.pending.is_empty() && !completes {
            return None;
        }
        self.initial |= completes;
        let page = self.pending.drain(..self.pending.len().min(PAGE));
        Some(WatchAppsResponse {
            changed: page.map(|app| message(&self.toggles, app)).collect(),
            initial: completes,
        })
    }
}

fn message(toggles: &Toggles, app: App) -> proto::App {
    proto::App {
        user: app.user,
        app: app.app,
        app_version: app.version,
        decision: app.decision,
        persistence_enabled: toggles.effective(app.decision),
    }
}

/// Logs what the caller is not told.
fn refused(call: &'static str, error: &Error) -> Status {
    tracing::warn!(call, error = error as &dyn StdError, "apps call failed");
    error.status()
}

fn check_filter(user: Option<&str>) -> Result<(), Status> {
    user.map_or(Ok(()), |user| check("user", user))
}

fn check(field: &str, name: &str) -> Result<(), Status> {
    let wrong = if name.is_empty() {
        format!("`{field}` is empty; send the name that the engine reports")
    } else if name.len() > MAX_NAME {
        format!(
            "`{field}` has {} bytes; send {MAX_NAME} at most",
            name.len()
        )
    } else if name.contains('\0') {
        format!("`{field}` holds a NUL, which PostgreSQL does not store; remove it")
    } else {
        return Ok(());
    };
    Err(Status::invalid(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_with_its_field_and_the_remedy() {
        let wrong = |name: &str| check("app", name).err().map(|status| status.message);
        assert_eq!(wrong("orders"), None);
        assert_eq!(wrong(&"x".repeat(512)), None);
        for name in ["", "a\0b", &"x".repeat(513)] {
            assert!(wrong(name).is_some_and(|message| message.starts_with("`app` ")));
        }
    }
}
