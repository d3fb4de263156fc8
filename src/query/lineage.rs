//! Where an instance comes from, and what was rerun from it.

use tokio_postgres::types::Type;

use super::{Error, History, Instance, filter::check_id, row, sql};

/// Originals of originals that are followed.
const MOST: usize = 100;

/// Originals and reruns of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// What it is a rerun of, the direct original first, at most 100.
    pub originals: Vec<Instance>,
    /// The next original is not stored.
    pub original_missing: bool,
    /// Its direct reruns, the newest first, at most 1,000.
    pub reruns: Vec<Instance>,
}

impl History {
    /// Originals, as far as they are stored, and direct reruns.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn lineage(&self, id: &str) -> Result<Lineage, Error> {
        if !self.is_stored(id).await? {
            return Err(Error::no_instance(id));
        }
        check_id("instance_id", id)?;
        // the first row is the instance itself
        let chain = self.rows(sql!("originals"), &[(&id, Type::TEXT)]).await?;
        let comes_again: Option<bool> = match chain.last() {
            Some(last) => last.try_get("comes_again")?,
            None => None,
        };
        let mut originals = chain
            .iter()
            .map(row::instance)
            .collect::<Result<Vec<_>, _>>()?;
        let next = originals.last().map(|last| !last.original.is_empty());
        let ended = originals.len() <= MOST && comes_again != Some(true);
        originals.drain(..originals.len().min(1));
        let reruns = self.rows(sql!("reruns"), &[(&id, Type::TEXT)]).await?;
        Ok(Lineage {
            original_missing: ended && next == Some(true),
            originals,
            reruns: reruns.iter().map(row::instance).collect::<Result<_, _>>()?,
        })
    }
}
