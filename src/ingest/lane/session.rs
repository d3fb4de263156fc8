//! A lane's connection: its settings, its staging tables, its prepared statements. It is spoken
//! through directly, or with the driver.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::join;
use tokio_postgres::{
    AsyncMessage, Client, Error, Statement,
    error::{Severity, SqlState},
    types::Type,
};

use uuid::Uuid;

use super::{failure::Failure, stage::Stage, straight};
use crate::{
    config::Database,
    pg::{Connector, Direct, direct::Request, migrate},
};

/// How long a statement waits for somebody else's lock.
const LOCK_TIMEOUT: &str = "10s";

/// A connection set up for writing, and what was prepared on it.
#[derive(Debug)]
pub struct Session {
    pub(super) client: Client,
    /// Triggers and conflicts look different through Citus: always write the staged way.
    pub(super) citus: bool,
    /// There are instances that were cut or deleted.
    pub(super) marked: bool,
    pub(super) marks_any: Statement,
    pub(super) steps_stage: Stage,
    pub(super) flows_stage: Stage,
    pub(super) flows_first: Statement,
    pub(super) flows_merge: Statement,
    pub(super) flows_shadowed: Statement,
    /// What stands for it in the database, where the role may know.
    pub(super) backend: Option<Backend>,
    direct: Direct,
    warned: Arc<AtomicBool>,
    out_of_step: AtomicBool,
}

/// A process of the database; its number alone may be given to another one later.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    pid: i32,
    started_at: f64,
}

impl Session {
    /// Connects, makes sure that it is the right database with a schema we can work with, ends what
    /// is left of the session `before`, and prepares. A line that fell silent leaves a transaction
    /// with its locks in the database, where nobody notices for hours; what it holds is what is
    /// written next.
    ///
    /// # Errors
    /// What the database did instead.
    pub async fn open(
        connector: &Connector,
        lane: usize,
        settings: &Database,
        origin: Uuid,
        before: Option<Backend>,
    ) -> Result<Self, Failure> {
        let warned = Arc::new(AtomicBool::new(false));
        let warn = Arc::clone(&warned);
        let (client, mut direct) = connector
            .connect_direct(&format!("lane {lane}"), move |message| {
                if let AsyncMessage::Notice(notice) = message
                    && notice.parsed_severity() == Some(Severity::Warning)
                    // a rollback after a COMMIT that failed
                    && *notice.code() != SqlState::NO_ACTIVE_SQL_TRANSACTION
                {
                    tell(notice.code(), notice.message());
                    warn.store(true, Ordering::Release);
                }
            })
            .await?;
        let statement_timeout = format!("{}ms", settings.statement_timeout.as_millis());
        let rows = client
            .query_typed(
                include_str!("../../../sql/ingest/session.sql"),
                &[
                    (&LOCK_TIMEOUT, Type::TEXT),
                    (&statement_timeout, Type::TEXT),
                ],
            )
            .await?;
        let [row] = &rows[..] else {
            return Err(Failure::Adrift);
        };
        verify(&client, origin).await?;
        let citus: bool = row.get("citus");
        let backend = row
            .get::<_, Option<f64>>("started_at")
            .map(|started_at| Backend {
                pid: row.get("pid"),
                started_at,
            });
        if let Some(Backend { pid, started_at }) = before {
            client
                .query_typed(
                    include_str!("../../../sql/ingest/session_end.sql"),
                    &[(&pid, Type::INT4), (&started_at, Type::FLOAT8)],
                )
                .await?;
        }
        client
            .batch_execute(include_str!("../../../sql/ingest/session_check_client.sql"))
            .await?;
        let steps_stage = Stage::make(
            &client,
            include_str!("../../../sql/ingest/stage_steps.sql"),
            include_str!("../../../sql/ingest/steps_stage.sql"),
            include_str!("../../../sql/ingest/steps_unstage.sql"),
            include_str!("../../../sql/ingest/steps_restage.sql"),
        )
        .await?;
        let flows_stage = Stage::make(
            &client,
            include_str!("../../../sql/ingest/stage_flows.sql"),
            include_str!("../../../sql/ingest/flows_stage.sql"),
            include_str!("../../../sql/ingest/flows_unstage.sql"),
            include_str!("../../../sql/ingest/flows_restage.sql"),
        )
        .await?;
        if !citus {
            let mut request = Request::default();
            for (name, statement) in straight::PREPARED {
                request.prepare(name, statement)?;
            }
            direct.exchange(request).await?;
            direct.give_back();
        }
        let prepare = |sql| client.prepare(sql);
        let marks_any = prepare(include_str!("../../../sql/ingest/marks_any.sql")).await?;
        let any = client.query_one(&marks_any, &[]).await?;
        Ok(Self {
            marked: any.get("cuts"),
            marks_any,
            flows_first: prepare(include_str!("../../../sql/ingest/flows_first.sql")).await?,
            flows_merge: prepare(include_str!("../../../sql/ingest/flows_merge.sql")).await?,
            flows_shadowed: prepare(include_str!("../../../sql/ingest/flows_shadowed.sql")).await?,
            steps_stage,
            flows_stage,
            citus,
            backend,
            direct,
            warned,
            out_of_step: AtomicBool::new(false),
            client,
        })
    }

    /// Whether the connection is gone.
    pub fn is_closed(&mut self) -> bool {
        self.client.is_closed() || self.direct.is_closed()
    }

    /// Sends a transaction of its own in one go; answers with the number of its rows.
    ///
    /// # Errors
    /// What the database did instead; [`Failure::Doubtful`] when it warned at the commit.
    pub async fn exchange(&mut self, request: Request) -> Result<usize, Failure> {
        let answer = self.direct.exchange(request).await?;
        for warning in &answer.warnings {
            tell(&warning.code, &warning.message);
        }
        if answer.doubtful {
            return Err(Failure::Doubtful);
        }
        Ok(answer.rows)
    }

    /// Gives the connection back to the driver, before its client is asked anything.
    pub fn give_back(&mut self) {
        self.direct.give_back();
    }

    /// A COPY was begun in vain. The driver ends its request a second time, and takes that answer for
    /// the one to the next question.
    pub(super) fn lose_step(&self) {
        self.out_of_step.store(true, Ordering::Relaxed);
    }

    /// Whether answers belong to their questions.
    pub(super) fn is_in_step(&self) -> bool {
        !self.out_of_step.load(Ordering::Relaxed)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// What the database did instead.
    pub async fn begin(&self) -> Result<(), Error> {
        self.client.batch_execute("begin").await
    }

    /// Empties the staging tables and commits, once everything before is answered. Never cancel this:
    /// when it does not answer in time, drop the session.
    ///
    /// # Errors
    /// What the database did instead; [`Failure::Doubtful`] when it warned.
    pub async fn commit(&self) -> Result<(), Failure> {
        self.warned.store(false, Ordering::Release);
        // What comes behind something that failed fails as well, and COMMIT rolls back.
        let (steps, flows, committed) = join!(
            self.steps_stage.empty(&self.client),
            self.flows_stage.empty(&self.client),
            self.client.batch_execute("commit"),
        );
        steps.and(flows).and(committed)?;
        if self.warned.load(Ordering::Acquire) {
            return Err(Failure::Doubtful);
        }
        Ok(())
    }
}

fn tell(code: &SqlState, warning: &str) {
    tracing::warn!(code = code.code(), "the database warns: {warning}");
}

/// A server that began while its database was away learns here where its URL leads.
async fn verify(client: &Client, origin: Uuid) -> Result<(), Failure> {
    let identity = migrate::identity(client).await?;
    if identity.database != origin {
        return Err(Failure::Elsewhere);
    }
    if !identity.state.usable() {
        return Err(Failure::Schema);
    }
    Ok(())
}
