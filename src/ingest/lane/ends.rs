//! Ends that come in a later batch than their start, which nearly always waits for them: one
//! statement, which spares the transaction its staging table.

use std::{collections::HashMap, error::Error as StdError};

use bytes::{BufMut as _, BytesMut};
use futures_util::join;
use tokio_postgres::{
    Error,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use super::{session::Session, write::texts};

/// An end of an instance of which its batch says nothing else.
#[derive(Debug)]
pub struct LoneEnd<'a> {
    /// Its number among all starts and ends of the batch.
    pub number: usize,
    /// What ended.
    pub instance: &'a str,
    /// The values that `ends_merge` wants, in its order.
    pub values: [Option<&'a [u8]>; 10],
}

/// What is still to be done.
#[derive(Debug, Default)]
pub struct Left {
    /// The numbers of the ends that have to be staged.
    pub numbers: Vec<usize>,
    /// The instances among them that have a row only now.
    pub orphans: Vec<String>,
}

/// A value in the database's own binary format.
#[derive(Debug)]
struct Encoded<'a>(Option<&'a [u8]>);

/// Completes the instances that wait for `ends`. Left are ends that found none or a row that says
/// something else, and those of instances that have their attempts kept apart.
///
/// # Errors
/// What the database said instead.
pub async fn merge(session: &Session, ends: &[LoneEnd<'_>]) -> Result<Left, Error> {
    if ends.is_empty() {
        return Ok(Left::default());
    }
    let instances: Vec<_> = ends.iter().map(|end| end.instance).collect();
    let column = |at: usize| -> Vec<_> { ends.iter().map(|end| Encoded(end.values[at])).collect() };
    let columns: [_; 10] = std::array::from_fn(column);
    let columns = columns
        .each_ref()
        .map(|column| column as &(dyn ToSql + Sync));
    let instances: [&(dyn ToSql + Sync); 1] = [&instances];
    // Attempts are set apart under the lock of the row, which is held when they are asked for.
    let (merged, shadowed) = join!(
        session.client.query(&session.ends_merge, &columns),
        session.client.query(&session.ends_shadowed, &instances),
    );
    let (merged, shadowed) = (merged?, texts(&shadowed?));
    let inserted: HashMap<&str, bool> = merged
        .iter()
        .map(|row| (row.get("flowinstanceid"), row.get("inserted")))
        .collect();
    let mut left = Left::default();
    for end in ends {
        let inserted = inserted.get(end.instance);
        if inserted != Some(&false) || shadowed.iter().any(|other| other == end.instance) {
            left.numbers.push(end.number);
        }
        if inserted == Some(&true) {
            left.orphans.push(end.instance.to_owned());
        }
    }
    Ok(left)
}

impl ToSql for Encoded<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Some(value) = self.0 else {
            return Ok(IsNull::Yes);
        };
        out.put_slice(value);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        [Type::TEXT, Type::TIMESTAMP, Type::BYTEA].contains(of)
    }

    to_sql_checked!();
}
