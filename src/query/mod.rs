//! The way out: what was recorded, found and read.
//!
//! [`History`] is the handle; its methods are the statements of `sql/query`. What a statement
//! answers is bounded: lists by number, payloads by reading them a portion at a time. [`filter`]
//! says which instances, [`cursor`] where a page begins.
//!
//! A step's content is what the engine posted. [`tasks`], [`calls`] and [`snapshot`] are pure: what a
//! step did to its tasks, the rows of calls put together, and the state that a row of steps leads to.
//!
//! What this server has taken may not be in the tables yet ([`Pending`]): answers say so, and what a
//! rerun goes by is refused until it is.
//!
//! Invariants: no list reads a payload column; no answer needs a whole instance in memory, but a
//! snapshot, which is as large as the state it shows; text of the database reaches no caller.

mod attempts;
pub mod calls;
mod catalogue;
pub mod cursor;
mod detail;
mod ending;
mod error;
pub mod filter;
pub mod grpc;
pub mod health;
pub mod instances;
mod lineage;
mod pending;
pub mod plan;
pub mod rest;
mod row;
pub mod snapshot;
mod steps;
pub mod tasks;
pub mod watch;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_postgres::Row;

use crate::{
    event::Micros,
    pg::{self, Pool},
};

/// A statement of `sql/query`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../sql/query/", $name, ".sql"))
    };
}
use sql;

pub use attempts::AttemptInfo;
pub use catalogue::{CatalogueApp, CatalogueVersion};
pub use cursor::Cursor;
pub use error::Error;
pub use filter::Filter;
pub use lineage::Lineage;
pub use pending::{Pending, Telling};
pub use plan::Plan;
pub use snapshot::Snapshot;

/// How long an answer is waited for. `--statement-timeout` ends a slow statement before; this is for
/// a line that fell silent.
const ANSWER: Duration = Duration::from_mins(2);

/// Past instances; cheap to clone.
#[derive(Clone, Debug)]
pub struct History {
    pool: Pool,
    pending: Pending,
}

impl History {
    /// What is stored in the database of `pool`.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        let pending = Pending::default();
        Self { pool, pending }
    }

    /// The same, where `pending` events may be missing in the tables.
    #[must_use]
    pub fn with_pending(self, pending: Pending) -> Self {
        Self { pending, ..self }
    }

    /// Whether nothing is on its way to the tables. Asked first for what a rerun goes by: the state,
    /// the details, the inputs, the plan. Half of it would be run, and nobody would know.
    ///
    /// # Errors
    /// [`Error::Pending`].
    pub fn complete(&self) -> Result<(), Error> {
        match self.pending.events() {
            0 => Ok(()),
            events => Err(Error::Pending(events)),
        }
    }

    /// Runs a statement. It is not prepared: it is planned with its values, so that what they do
    /// not ask for costs nothing, and so that a pooler may stand in between.
    async fn rows(&self, statement: &str, values: &[row::Value<'_>]) -> Result<Vec<Row>, Error> {
        let client = self.pool.get().await?;
        let rows = timeout(ANSWER, client.query_typed(statement, values)).await;
        Ok(rows.map_err(|_| pg::Error::Silent(ANSWER))??)
    }
}

/// Which attempt of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attempt {
    /// The newest one, as the public tables show it.
    #[default]
    Newest,
    /// By number, from 1, in the order of start times. The newest one asked for in this way has
    /// the steps that were cut for an attempt that has not begun.
    Number(u32),
}

/// An attempt of an instance, without payloads. Texts that are NULL are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// `flowinstanceid`.
    pub id: String,
    /// `userid`.
    pub user: String,
    /// `appname`.
    pub app: String,
    /// `appversion`.
    pub version: String,
    /// `flowname`.
    pub flow: String,
    /// `hostid`.
    pub host: String,
    /// `status`.
    pub status: String,
    /// `starttime`.
    pub started_at: Option<Micros>,
    /// `endtime`.
    pub ended_at: Option<Micros>,
    /// `executiontime`: milliseconds with three decimals, as text.
    pub execution_time: Option<String>,
    /// `rerunofflowinstanceid`.
    pub original: String,
    /// `reruncount`; NULL is 0.
    pub rerun_count: i32,
    /// `parentflowinstanceid`.
    pub parent: String,
    /// `parentflowname`.
    pub parent_flow: String,
    /// Whether `flowinput` is there.
    pub has_input: bool,
}

/// One instance with what is known to be missing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The attempt.
    pub instance: Instance,
    /// Its number, from 1.
    pub attempt: u32,
    /// How many attempts there are.
    pub attempts: u32,
    /// Steps stored of it.
    pub steps: u32,
    /// Bytes of `flowinput`.
    pub input_bytes: Option<u64>,
    /// Bytes of `flowoutput`.
    pub output_bytes: Option<u64>,
    /// No start was recorded.
    pub start_missing: bool,
    /// Ranges of step ids that lie between stored ones or before the first, both ends included.
    pub gaps: Vec<(u32, u32)>,
    /// It has ended, and the last step stored does not end it.
    pub last_steps_missing: bool,
}

/// A payload column of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `flowinput`.
    Input,
    /// `flowoutput`.
    Output,
}

/// A step without its content. Texts that are NULL are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// `stepid`.
    pub id: u32,
    /// `taskname`.
    pub task: String,
    /// `status`.
    pub status: String,
    /// `flowname`.
    pub flow: String,
    /// `subflowid`.
    pub subflow: String,
    /// `starttime`.
    pub started_at: Option<Micros>,
    /// `endtime`.
    pub ended_at: Option<Micros>,
    /// `rerun`.
    pub rerun: Option<bool>,
    /// Bytes of `stepdata`.
    pub bytes: u64,
}

/// A step with its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepContent {
    /// The row.
    pub step: Step,
    /// `stepdata`; empty when NULL. From a stock engine it is JSON, from others anything.
    pub content: Bytes,
}

/// A page of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest start first, then by id, descending.
    pub instances: Vec<Instance>,
    /// Where the next page begins; none on the last one.
    pub next: Option<Cursor>,
}
