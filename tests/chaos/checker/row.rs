//! Rows as they are stored: every column, texts and bytes as they are, times in µs since 1970.

use std::fmt::{self, Debug, Formatter};

use bytes::Bytes;
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

use super::super::load::{Source, Step, Time};

/// A row of `flowstate` or of the attempts before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) instance: String,
    pub(super) user: Option<String>,
    pub(super) app: Option<String>,
    pub(super) version: Option<String>,
    pub(super) host: String,
    pub(super) name: Option<String>,
    pub(super) at: Option<Time>,
    pub(super) ended_at: Option<Time>,
    pub(super) took: Option<String>,
    pub(super) status: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) caller: Option<String>,
    pub(super) misc: Option<Payload>,
    pub(super) original: Option<String>,
    pub(super) input: Option<Payload>,
    pub(super) output: Option<Payload>,
    pub(super) reruns: Option<i32>,
}

/// A row of `steps` or `past_steps`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StepRow {
    pub(super) instance: String,
    pub(super) number: String,
    pub(super) task: Option<String>,
    pub(super) status: Option<String>,
    pub(super) at: Option<Time>,
    pub(super) ended_at: Option<Time>,
    pub(super) data: Option<Payload>,
    pub(super) flow: Option<String>,
    pub(super) subflow: Option<String>,
    pub(super) misc: Option<Payload>,
    pub(super) rerun: Option<bool>,
    pub(super) parent: Option<String>,
}

/// Bytes, shown as the text they mostly are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Payload(Vec<u8>);

impl Debug for Payload {
    fn fmt(&self, words: &mut Formatter<'_>) -> fmt::Result {
        write!(words, "{}", self.0.escape_ascii())
    }
}

impl From<&Bytes> for Payload {
    fn from(bytes: &Bytes) -> Self {
        Self(bytes.to_vec())
    }
}

/// The columns of [`Flow`], in its order.
pub(super) const FLOW: &str = "flowinstanceid, userid, appname, appversion, hostid, flowname, starttime, endtime,
    executiontime, status, parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput, flowoutput,
    reruncount";
/// The columns of [`StepRow`], in its order.
pub(super) const STEP: &str =
    "flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname,
    subflowid, misc, rerun, parentstepid";

impl Flow {
    /// A row with nothing in it but who reported.
    pub(super) fn of(instance: &str, source: &Source) -> Self {
        Self {
            instance: instance.to_owned(),
            user: Some(source.user.clone()),
            app: Some(source.app.clone()),
            version: Some(source.version.clone()),
            host: source.host.clone(),
            name: None,
            at: None,
            ended_at: None,
            took: None,
            status: None,
            parent: None,
            caller: None,
            misc: None,
            original: None,
            input: None,
            output: None,
            reruns: None,
        }
    }

    pub(super) fn read(row: &Row) -> Self {
        Self {
            instance: row.get(0),
            user: row.get(1),
            app: row.get(2),
            version: row.get(3),
            host: row.get(4),
            name: row.get(5),
            at: time(row, 6),
            ended_at: time(row, 7),
            took: row.get(8),
            status: row.get(9),
            parent: row.get(10),
            caller: row.get(11),
            misc: payload(row, 12),
            original: row.get(13),
            input: payload(row, 14),
            output: payload(row, 15),
            reruns: row.get(16),
        }
    }
}

impl StepRow {
    pub(super) fn of(instance: &str, step: &Step) -> Self {
        Self {
            instance: instance.to_owned(),
            number: step.number.to_string(),
            task: Some(step.task.to_owned()),
            status: Some(step.status.to_owned()),
            at: Some(step.at),
            ended_at: Some(step.ended_at),
            data: Some(Payload::from(&step.data)),
            flow: Some(step.flow.clone()),
            subflow: Some(step.subflow.clone()),
            misc: step.misc.as_ref().map(Payload::from),
            rerun: Some(step.rerun),
            parent: step.parent.clone(),
        }
    }

    pub(super) fn read(row: &Row) -> Self {
        Self {
            instance: row.get(0),
            number: row.get(1),
            task: row.get(2),
            status: row.get(3),
            at: time(row, 4),
            ended_at: time(row, 5),
            data: payload(row, 6),
            flow: row.get(7),
            subflow: row.get(8),
            misc: payload(row, 9),
            rerun: row.get(10),
            parent: row.get(11),
        }
    }
}

fn payload(row: &Row, at: usize) -> Option<Payload> {
    row.get::<_, Option<Vec<u8>>>(at).map(Payload)
}

fn time(row: &Row, at: usize) -> Option<Time> {
    row.get::<_, Option<Stamp>>(at).map(|stamp| stamp.0)
}

/// A timestamp as PostgreSQL sends it, µs since 2000, without going through another type.
struct Stamp(Time);

impl<'a> FromSql<'a> for Stamp {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        const YEAR_2000: Time = 946_684_800_000_000;
        Ok(Self(Time::from_be_bytes(raw.try_into()?) + YEAR_2000))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMP
    }
}
