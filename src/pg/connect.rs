//! One connection: which server, how long to wait, who listens to its messages.
//!
//! Several servers are tried side by side, each a moment after the one before it, so that one that
//! froze costs that moment only.

use std::{
    fmt,
    future::poll_fn,
    hash::{BuildHasher as _, RandomState},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use super::{
    Direct, Error, Lookout, Options, Refusal, Session, Target, errors,
    hosts::Hosts,
    pipe::{Pipe, Secure},
    standing::{self, Line, Standing},
};
use crate::config::Database;

/// How long a server may take before the next one is tried too.
const HEAD_START: Duration = Duration::from_millis(300);

/// Cheap handle that makes connections to one database.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    options: Options,
    tls: MakeRustlsConnect,
    /// For one server, and for all of them.
    each: Duration,
    patience: Duration,
    hosts: Hosts,
}

/// A connection without a task of its own.
struct Opened {
    client: Client,
    line: Line,
    pipe: Pipe,
    /// What ends it from outside.
    ended: CancellationToken,
}

/// A connection that has one.
pub(super) struct Driven {
    pub(super) client: Client,
    pub(super) task: JoinHandle<()>,
    direct: Direct,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({})", self.0.options.describe())
    }
}

impl Connector {
    /// For the database that `url` names, in libpq's words; see [`Options`].
    ///
    /// # Errors
    /// [`Error::Url`] when it cannot be understood or a file it names cannot be read.
    pub fn new(url: &str, settings: &Database) -> Result<Self, Error> {
        Self::build(url.parse()?, settings)
    }

    /// For a server on this machine whose unix socket `.s.PGSQL.5432` is in `dir`, an absolute path.
    ///
    /// # Errors
    /// [`Error::Url`] when `dir` is not UTF-8.
    pub fn socket(
        dir: &Path,
        user: &str,
        dbname: &str,
        settings: &Database,
    ) -> Result<Self, Error> {
        Self::build(Options::socket(dir, user, dbname)?, settings)
    }

    /// For the database that `--database-url` or `--database-url-file` names; none when neither is
    /// given.
    ///
    /// # Errors
    /// [`Error::Url`] as for [`Connector::new`], and when the file cannot be read.
    pub fn configured(settings: &Database) -> Result<Option<Self>, Error> {
        match (&settings.database_url, &settings.database_url_file) {
            (Some(url), _) => Self::new(url, settings).map(Some),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|source| Error::file("--database-url-file", path, &source))
                .and_then(|url| Self::new(&url, settings))
                .map(Some),
            (None, None) => Ok(None),
        }
    }

    fn build(options: Options, settings: &Database) -> Result<Self, Error> {
        let tls = options.tls.client()?;
        let count = options.targets().len();
        let servers = u32::try_from(count).unwrap_or(u32::MAX);
        // The URL counts for one server, the setting for all of them.
        let each = options.connect_timeout.unwrap_or(settings.connect_timeout);
        let patience = options
            .connect_timeout
            .map_or(each, |each| each.saturating_mul(servers));
        Ok(Self(Arc::new(Inner {
            options,
            tls,
            each,
            patience,
            hosts: Hosts::new(count),
        })))
    }

    /// `host:port/dbname as user`, without secrets.
    #[must_use]
    pub fn describe(&self) -> String {
        self.0.options.describe()
    }

    /// How long a connection is waited for, and any other short answer.
    pub(super) fn patience(&self) -> Duration {
        self.0.patience
    }

    pub(super) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Connects, as `flowtrail <purpose>` in `pg_stat_activity`, to the first server that will do.
    /// Every notice and notification goes to `on_message`, on the connection's own task, before
    /// any answer that follows it is handed out; it must not block. The connection ends when the
    /// client is dropped. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Connect`] with what each server did, at the latest after `--connect-timeout`.
    pub async fn connect(
        &self,
        purpose: &str,
        on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<Client, Error> {
        let driven = self.open(purpose, on_message).await?;
        Ok(driven.client)
    }

    /// As [`Connector::connect`], for who also wants to speak with the server [directly](Direct).
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn connect_direct(
        &self,
        purpose: &str,
        on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<(Client, Direct), Error> {
        let driven = self.open(purpose, on_message).await?;
        Ok((driven.client, driven.direct))
    }

    /// What looks after several servers of which one is the primary, to [`Lookout::run`]; none when
    /// the URL names only one, or asks for no primary.
    #[must_use]
    pub fn lookout(&self) -> Option<Lookout> {
        let options = &self.0.options;
        let wanted = options.targets().len() > 1 && options.session.wants_primary();
        wanted.then(|| Lookout::new(self.clone()))
    }

    /// Waits for `pause`, and no longer once the [`Lookout`] has found another primary: the pause
    /// between two tries.
    pub async fn pause(&self, pause: Duration) {
        self.0.hosts.pause(pause).await;
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    /// As [`Connector::connect`], with the task that drives the connection.
    pub(super) async fn open(
        &self,
        purpose: &str,
        on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<Driven, Error> {
        let deadline = Instant::now() + self.0.patience;
        let session = self.0.options.session;
        let mut primary = self.0.hosts.primary();
        let mut next = self.order(*primary.borrow_and_update()).into_iter();
        let mut attempts = FuturesUnordered::new();
        let mut second_best = None;
        let mut refusals = Vec::new();
        loop {
            if attempts.is_empty() {
                let Some(at) = next.next() else { break };
                attempts.push(self.attempt(at, purpose, deadline));
            }
            let (at, refusal) = tokio::select! {
                Some((at, outcome)) = attempts.next() => match outcome {
                    Ok((opened, standing)) => match self.unwanted(at, &standing) {
                        None => return Ok(self.drive(opened, purpose, at, on_message)),
                        Some(refusal) => {
                            if session == Session::PreferStandby && second_best.is_none() {
                                second_best = Some((opened, at));
                            }
                            (at, refusal)
                        }
                    },
                    Err(refusal) => (at, refusal),
                },
                () = sleep(HEAD_START), if next.len() > 0 => {
                    attempts.extend(next.next().map(|at| self.attempt(at, purpose, deadline)));
                    continue;
                }
                // Promoted meanwhile: it may have refused us a moment ago.
                Ok(()) = primary.changed() => {
                    let at = *primary.borrow_and_update();
                    attempts.extend(at.map(|at| self.attempt(at, purpose, deadline)));
                    continue;
                }
            };
            let reason = &refusal.reason;
            tracing::debug!(purpose, target = %self.target(at), reason, "server passed over");
            if refusal.ends_the_search {
                // what those behind it said meanwhile would only hide it
                refusals.retain(|(other, _)| *other < at);
                refusals.push((at, refusal));
                break;
            }
            refusals.push((at, refusal));
        }
        if let Some((opened, at)) = second_best {
            return Ok(self.drive(opened, purpose, at, on_message));
        }
        refusals.sort_by_key(|(at, _)| *at);
        Err(Error::Connect {
            whom: self.describe(),
            refusals: refusals.into_iter().map(|(_, refusal)| refusal).collect(),
        })
    }

    /// One server and no other, whatever it is, as it is looked at.
    pub(super) async fn single(&self, at: usize) -> Result<Client, Refusal> {
        let deadline = Instant::now() + self.0.each;
        let (mut opened, _) = self.attempt(at, "lookout", deadline).await.1?;
        // it outlives the end of the sessions, as it finds out what they wait for
        opened.ended = CancellationToken::new();
        Ok(self.drive(opened, "lookout", at, |_| ()).client)
    }

    /// The numbers of the servers in the order in which they are tried.
    fn order(&self, primary: Option<usize>) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.0.options.targets().len()).collect();
        if self.0.options.any_order {
            let random = RandomState::new();
            order.sort_by_cached_key(|at| random.hash_one(at));
        } else {
            order.sort_by_key(|at| Some(*at) != primary);
        }
        order
    }

    fn target(&self, at: usize) -> &Target {
        &self.0.options.targets()[at]
    }

    /// One server, authentication and the question for its standing, until `deadline` at most.
    async fn attempt(
        &self,
        at: usize,
        purpose: &str,
        deadline: Instant,
    ) -> (usize, Result<(Opened, Standing), Refusal>) {
        let Inner { options, tls, .. } = &*self.0;
        let target = self.target(at);
        let patience = deadline.saturating_duration_since(Instant::now());
        let patience = patience.min(self.0.each);
        let mut config = options.driver(target, purpose);
        // The driver's limit is for one address of the name; a dead one may not use up all the time.
        config.connect_timeout(patience / 2);
        let ended = self.0.hosts.session(at);
        let several = options.targets().len() > 1 && options.session.wants_primary();
        let attempt = async {
            let dialled = Pipe::dial(target, &config).await;
            let pipe = dialled.map_err(|error| Refusal::of_line(target, &error))?;
            let read = |error: tokio_postgres::Error| Refusal::read(target, &error);
            let connecting = config.connect_raw(pipe.clone(), Secure::new(tls, target));
            let (client, mut line) = connecting.await.map_err(read)?;
            let standing = if options.session == Session::Any {
                Standing::default()
            } else {
                let asking = standing::ask(&client, several);
                standing::alongside(&mut line, asking).await.map_err(read)?
            };
            let opened = Opened {
                client,
                line,
                pipe,
                ended,
            };
            Ok((opened, standing))
        };
        let outcome = timeout(patience, attempt).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Refusal::silence(target, patience)));
        (at, outcome)
    }

    /// Why a server of this standing will not do, if it will not.
    fn unwanted(&self, at: usize, standing: &Standing) -> Option<Refusal> {
        let session = self.0.options.session;
        let target = self.target(at);
        let passed_over = || {
            let lineage = standing
                .lineage
                .as_ref()
                .filter(|_| session.wants_primary())?;
            (!self.0.hosts.is_newest(lineage)).then(|| Refusal::passed_over(target))
        };
        session
            .unwanted(standing)
            .map(|kind| Refusal::unwanted(target, kind))
            .or_else(passed_over)
    }

    /// Gives the connection the task that it lives on until its client is dropped, or until it is
    /// ended because another server has become the primary.
    #[expect(
        clippy::disallowed_methods,
        reason = "a connection outlives the stop of whoever uses it; it ends with its client"
    )]
    fn drive(
        &self,
        opened: Opened,
        purpose: &str,
        at: usize,
        mut on_message: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Driven {
        let Opened {
            client,
            mut line,
            pipe,
            ended,
        } = opened;
        let direct = Direct::new(pipe, ended.clone());
        let (purpose, target) = (purpose.to_owned(), self.target(at).to_string());
        tracing::debug!(purpose, target, "connected");
        let driven = async move {
            while let Some(message) = poll_fn(|cx| line.poll_message(cx)).await {
                match message {
                    Ok(message) => on_message(message),
                    Err(error) => {
                        let error = errors::causes(&error);
                        tracing::info!(purpose, target, error, "connection lost");
                        return;
                    }
                }
            }
        };
        let task = tokio::spawn(async move {
            ended.run_until_cancelled(driven).await;
        });
        Driven {
            client,
            task,
            direct,
        }
    }
}
