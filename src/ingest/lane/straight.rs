//! The usual transaction: rows straight into the tables, sent in one go.
//!
//! Steps are new, instances begin here or wait for their end: nearly always so. Instead of asking
//! whether it is so, statements that go along hold the transaction if it is not.

use std::ops::Range;

use tokio_postgres::types::{ToSql, Type};

use super::{batch::Batch, ends, failure::Failure, fold::Folded, session::Session, write::Way};
use crate::pg::direct::{Error, Request};

/// The SQLSTATE of what holds a batch because of marks of its instances.
const MARKED: &str = "FT001";

const MARKS: &str = "marks";
const STEPS: &str = "steps";
const FLOWS: &str = "flows";
const RERUNS: &str = "reruns";

/// The statements, each with its name, that [`write`] wants prepared.
pub const PREPARED: [(&str, &str); 6] = [
    (MARKS, include_str!("../../../sql/ingest/marks_none.sql")),
    (STEPS, include_str!("../../../sql/ingest/steps_copy.sql")),
    (FLOWS, include_str!("../../../sql/ingest/flows_copy.sql")),
    (RERUNS, include_str!("../../../sql/ingest/reruns_any.sql")),
    (
        ends::MERGE,
        include_str!("../../../sql/ingest/ends_merge.sql"),
    ),
    (
        ends::SHADOWED,
        include_str!("../../../sql/ingest/ends_shadowed.sql"),
    ),
];

/// What is still to be done.
#[derive(Debug)]
pub struct Rest {
    /// The numbers of the starts and ends that are not written.
    pub flows: Vec<usize>,
    /// Instances began while reruns wait for their originals, perhaps for these.
    pub awaited: bool,
}

/// Writes the steps of `rows`, and with [`Way::Optimistic`] what begins or ends there and is simple.
/// Answers with none when nothing is written, as instances were cut or deleted, perhaps some of these.
///
/// # Errors
/// Why nothing is known to be stored. A conflict means that something was there already, or that an
/// end found no start that waits for it.
pub async fn write(
    session: &mut Session,
    batch: &Batch,
    rows: &Range<usize>,
    way: Way,
) -> Result<Option<Rest>, Failure> {
    let (steps, flows) = (batch.step_range(rows), batch.flow_range(rows));
    let folded = if way == Way::Optimistic {
        batch.fold(flows)
    } else {
        Folded {
            rest: flows.collect(),
            ..Folded::default()
        }
    };
    let Folded {
        rows: begun,
        ends,
        mut rest,
    } = folded;
    let ends = ends::that_fit(ends, &mut rest);
    if steps.is_empty() && begun.is_empty() && ends.is_empty() {
        return Ok(Some(Rest {
            flows: rest,
            awaited: false,
        }));
    }

    let mut request = Request::default();
    if session.marked {
        let instances = batch.instances(rows);
        let instances: [(&(dyn ToSql + Sync), Type); 1] = [(&instances, Type::TEXT_ARRAY)];
        let mut question = Request::default();
        question.ask(include_str!("../../../sql/ingest/marks_of.sql"), &instances)?;
        if session.exchange(question).await? > 0 {
            return Ok(None);
        }
        let none = include_str!("../../../sql/ingest/marks_none_of.sql");
        request.ask(none, &instances)?;
    } else {
        request.execute(MARKS, &[])?;
    }
    if !steps.is_empty() {
        request.copy(STEPS, batch.step_slices(steps))?;
    }
    if !ends.is_empty() {
        ends::merge(&mut request, &ends)?;
    }
    if !begun.is_empty() {
        request.copy(FLOWS, begun.into_iter())?;
        request.execute(RERUNS, &[])?;
    }
    match session.exchange(request).await {
        Ok(rows) => Ok(Some(Rest {
            flows: rest,
            awaited: rows > 0,
        })),
        Err(failure) if is_marked(&failure) => {
            session.marked = true;
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn is_marked(failure: &Failure) -> bool {
    let Failure::Direct(Error::Refused(complaint)) = failure else {
        return false;
    };
    complaint.code.code() == MARKED
}
