//! A lane's line to the database: one session at a time, opened when it is needed and dropped when
//! it failed in a way it cannot recover from. Nothing waits for a silent database for ever.

use std::{ops::Range, time::Duration};

use tokio::time::timeout;
use uuid::Uuid;

use super::{
    apps,
    batch::Batch,
    failure::Failure,
    session::{Backend, Session},
    write::{Way, Written, write},
};
use crate::{config::Database, ingest::queue::Registration, pg::Connector};

/// The line of one lane.
#[derive(Debug)]
pub struct Line {
    lane: usize,
    connector: Connector,
    settings: Database,
    origin: Uuid,
    session: Option<Session>,
    /// Of the last session, which may outlive its connection.
    backend: Option<Backend>,
}

impl Line {
    /// A line that is not connected yet.
    pub fn new(lane: usize, connector: Connector, settings: Database, origin: Uuid) -> Self {
        Self {
            lane,
            connector,
            settings,
            origin,
            session: None,
            backend: None,
        }
    }

    /// Writes `rows` of `batch` in one transaction, within the time that two statements may take.
    ///
    /// # Errors
    /// Why the rows are not known to be stored.
    pub async fn write(
        &mut self,
        batch: &Batch,
        rows: &Range<usize>,
        way: Way,
    ) -> Result<Written, Failure> {
        let patience = self.patience();
        let mut session = self.session().await?;
        let outcome = timeout(patience, write(&mut session, batch, rows, way))
            .await
            .unwrap_or(Err(Failure::Silence(patience)));
        let usable = match &outcome {
            Ok(_) => true,
            // Sent in one go, the transaction has ended.
            Err(failure @ Failure::Direct(_)) => failure.keeps_session(),
            Err(failure) => {
                session.give_back();
                session.is_in_step()
                    && failure.keeps_session()
                    && matches!(
                        timeout(patience, session.client.batch_execute("rollback")).await,
                        Ok(Ok(()))
                    )
            }
        };
        self.session = usable.then_some(session);
        outcome
    }

    /// Makes rows for apps that have none, in a transaction of its own, within `patience`.
    ///
    /// # Errors
    /// Why they may not be there; the session is dropped.
    pub async fn register(
        &mut self,
        apps: &[&Registration],
        patience: Duration,
    ) -> Result<(), Failure> {
        let registering = async {
            let mut session = self.session().await?;
            session.give_back();
            apps::register(&session.client, apps).await?;
            Ok(session)
        };
        let session = timeout(patience, registering)
            .await
            .unwrap_or(Err(Failure::Silence(patience)))?;
        self.session = Some(session);
        Ok(())
    }

    /// Takes the session, or opens one in the place of the last one when it cannot be used.
    async fn session(&mut self) -> Result<Session, Failure> {
        if let Some(mut session) = self.session.take()
            && !session.is_closed()
        {
            return Ok(session);
        }
        let patience = self.settings.connect_timeout + self.patience();
        let opening = Session::open(
            &self.connector,
            self.lane,
            &self.settings,
            self.origin,
            self.backend,
        );
        let session = timeout(patience, opening)
            .await
            .unwrap_or(Err(Failure::Silence(patience)))?;
        self.backend = session.backend;
        Ok(session)
    }

    /// How long the database may say nothing.
    fn patience(&self) -> Duration {
        self.settings.statement_timeout * 2
    }
}
