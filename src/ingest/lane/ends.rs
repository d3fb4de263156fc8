//! Ends that come in a later batch than their start, which nearly always waits for them: one
//! statement, which spares the transaction its staging table.

use std::error::Error as StdError;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::pg::direct::{Error, Request};

/// The names of what is prepared for them.
pub const MERGE: &str = "ends";
/// As [`MERGE`].
pub const SHADOWED: &str = "shadowed";
/// What `ends_merge` wants of each.
const COLUMNS: [Type; 10] = [
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TIMESTAMP_ARRAY,
    Type::TIMESTAMP_ARRAY,
    Type::TEXT_ARRAY,
    Type::BYTEA_ARRAY,
];

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
    pub values: [Option<&'a [u8]>; COLUMNS.len()],
}

/// A value in the database's own binary format.
#[derive(Debug)]
struct Encoded<'a>(Option<&'a [u8]>);

/// Completes the instances that wait for `ends`, within what `request` writes; holds it when one does
/// not, or has its attempts kept apart.
///
/// # Errors
/// When they do not fit into the protocol.
pub fn merge(request: &mut Request, ends: &[LoneEnd<'_>]) -> Result<(), Error> {
    let column = |at: usize| -> Vec<_> { ends.iter().map(|end| Encoded(end.values[at])).collect() };
    let columns: [_; COLUMNS.len()] = std::array::from_fn(column);
    let columns: [(&(dyn ToSql + Sync), Type); COLUMNS.len()] =
        std::array::from_fn(|at| (&columns[at] as _, COLUMNS[at].clone()));
    request.execute(MERGE, &columns)?;
    // Attempts are set apart under the lock of the row, which is held when they are asked for.
    let instances: Vec<_> = ends.iter().map(|end| end.instance).collect();
    request.execute(SHADOWED, &[(&instances, Type::TEXT_ARRAY)])
}

/// The ends that may go along; adds the numbers of the others to `rest`.
pub fn that_fit<'a>(ends: Vec<LoneEnd<'a>>, rest: &mut Vec<usize>) -> Vec<LoneEnd<'a>> {
    let mut left = MOST_BYTES;
    let (fit, large): (Vec<_>, Vec<_>) = ends.into_iter().partition(|end| {
        let bytes = end.values.iter().flatten().map(|value| value.len()).sum();
        let remain = left.checked_sub(bytes);
        left = remain.unwrap_or(left);
        remain.is_some()
    });
    rest.extend(large.iter().map(|end| end.number));
    rest.sort_unstable();
    fit
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
        let ends = [end(0, b"{}"), end(1, &large), end(2, &large), end(4, b"{}")];
        let mut rest = vec![3];
        let fit = that_fit(ends.into(), &mut rest);
        let fit: Vec<_> = fit.iter().map(|end| end.number).collect();
        assert_eq!((fit, rest), (vec![0, 1, 4], vec![2, 3]));
    }
}
