//! Ends that come in a later batch than their start, which nearly always waits for them: one
//! statement, which spares the transaction its staging table.

use std::{
    collections::{HashMap, HashSet},
    error::Error as StdError,
};

use bytes::{BufMut as _, BytesMut};
use futures_util::join;
use tokio_postgres::{
    Error,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use super::session::Session;

/// Bytes of values that go along as parameters, which both sides hold in memory at once.
const MOST_BYTES: usize = 4 << 20;

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
    let mut left = Left::default();
    let (ends, large) = that_fit(ends);
    left.numbers.extend(large.iter().map(|end| end.number));
    if ends.is_empty() {
        return Ok(left);
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
    let (merged, shadowed) = (merged?, shadowed?);
    let shadowed: HashSet<&str> = shadowed.iter().map(|row| row.get(0)).collect();
    let inserted: HashMap<&str, bool> = merged
        .iter()
        .map(|row| (row.get("flowinstanceid"), row.get("inserted")))
        .collect();
    for end in ends {
        let inserted = inserted.get(end.instance);
        if inserted != Some(&false) || shadowed.contains(end.instance) {
            left.numbers.push(end.number);
        }
        if inserted == Some(&true) {
            left.orphans.push(end.instance.to_owned());
        }
    }
    Ok(left)
}

/// The ends that may go along, and the others.
fn that_fit<'a>(ends: &'a [LoneEnd<'a>]) -> (Vec<&'a LoneEnd<'a>>, Vec<&'a LoneEnd<'a>>) {
    let mut left = MOST_BYTES;
    ends.iter().partition(|end| {
        let bytes = end.values.iter().flatten().map(|value| value.len()).sum();
        let rest = left.checked_sub(bytes);
        left = rest.unwrap_or(left);
        rest.is_some()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_outputs_are_staged() {
        let large = vec![0; MOST_BYTES / 2 + 1];
        let end = |number, output| {
            let mut values = [None; 10];
            values[9] = Some(output);
            LoneEnd {
                number,
                instance: "i",
                values,
            }
        };
        let ends = [end(0, b"{}"), end(1, &large), end(2, &large), end(3, b"{}")];
        let (fit, others) = that_fit(&ends);
        let numbers =
            |ends: Vec<&LoneEnd<'_>>| -> Vec<_> { ends.iter().map(|end| end.number).collect() };
        assert_eq!((numbers(fit), numbers(others)), (vec![0, 1, 3], vec![2]));
    }
}
