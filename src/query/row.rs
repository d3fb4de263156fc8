//! Rows of the statements, and times on their way in and out.

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

use super::{Instance, Step, StepContent};
use crate::event::Micros;

type Broken = Box<dyn std::error::Error + Sync + Send>;

/// A value of a statement.
pub(super) type Parameter<'a> = &'a (dyn ToSql + Sync);
/// A value of a statement and its type.
pub(super) type Value<'a> = (Parameter<'a>, Type);

/// A `timestamp` as PostgreSQL sends it: µs since 2000-01-01, and its infinities, which no event has
/// but a row of another tool may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) i64);

impl Time {
    /// Before every other time.
    pub(super) const NEVER: Self = Self(i64::MIN);
    /// After every other time.
    pub(super) const FOREVER: Self = Self(i64::MAX);

    pub(super) fn finite(self) -> Option<Micros> {
        Micros::stored(self.0)
    }
}

impl From<Micros> for Time {
    fn from(time: Micros) -> Self {
        Self(time.since_2000())
    }
}

impl<'a> FromSql<'a> for Time {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Broken> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMP
    }
}

impl ToSql for Time {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Broken> {
        out.put_i64(self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMP
    }

    to_sql_checked!();
}

/// `starttime`, as the order of lists has it.
pub(super) fn started(row: &Row) -> Result<Time, tokio_postgres::Error> {
    let time: Option<Time> = row.try_get("starttime")?;
    Ok(time.unwrap_or(Time::NEVER))
}

pub(super) fn instance(row: &Row) -> Result<Instance, tokio_postgres::Error> {
    Ok(Instance {
        id: row.try_get("flowinstanceid")?,
        user: text(row, "shown_user")?,
        app: text(row, "shown_app")?,
        version: text(row, "shown_version")?,
        flow: text(row, "shown_flow")?,
        host: text(row, "shown_host")?,
        status: text(row, "shown_status")?,
        started_at: time(row, "starttime")?,
        ended_at: time(row, "endtime")?,
        execution_time: row.try_get("shown_time")?,
        original: text(row, "shown_original")?,
        rerun_count: row
            .try_get::<_, Option<i32>>("reruncount")?
            .unwrap_or_default(),
        parent: text(row, "shown_parent")?,
        parent_flow: text(row, "shown_parent_flow")?,
        has_input: row.try_get("has_input")?,
    })
}

pub(super) fn step(row: &Row) -> Result<Step, tokio_postgres::Error> {
    Ok(Step {
        id: number(row, "number")?,
        task: text(row, "shown_task")?,
        status: text(row, "shown_status")?,
        flow: text(row, "shown_flow")?,
        subflow: text(row, "shown_subflow")?,
        started_at: time(row, "starttime")?,
        ended_at: time(row, "endtime")?,
        rerun: row.try_get("rerun")?,
        bytes: size(row, "bytes")?.unwrap_or_default(),
    })
}

pub(super) fn content(row: &Row) -> Result<StepContent, tokio_postgres::Error> {
    Ok(StepContent {
        step: step(row)?,
        content: bytes(row, "content")?.unwrap_or_default(),
    })
}

pub(super) fn bytes(row: &Row, column: &str) -> Result<Option<Bytes>, tokio_postgres::Error> {
    Ok(row.try_get::<_, Option<Vec<u8>>>(column)?.map(Bytes::from))
}

/// A number that the statement keeps within 31 bits; what counts rows stops there.
pub(super) fn number(row: &Row, column: &str) -> Result<u32, tokio_postgres::Error> {
    Ok(row
        .try_get::<_, i64>(column)?
        .try_into()
        .unwrap_or(u32::MAX))
}

pub(super) fn size(row: &Row, column: &str) -> Result<Option<u64>, tokio_postgres::Error> {
    let size: Option<i64> = row.try_get(column)?;
    Ok(size.map(i64::unsigned_abs))
}

fn text(row: &Row, column: &str) -> Result<String, tokio_postgres::Error> {
    Ok(row
        .try_get::<_, Option<String>>(column)?
        .unwrap_or_default())
}

fn time(row: &Row, column: &str) -> Result<Option<Micros>, tokio_postgres::Error> {
    let time: Option<Time> = row.try_get(column)?;
    Ok(time.and_then(Time::finite))
}
