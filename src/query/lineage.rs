//! Where an instance comes from, and what was rerun from it.

use super::{Error, History, Instance};

/// Originals and reruns of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// What it is a rerun of, the direct original first.
    pub originals: Vec<Instance>,
    /// The next original is not stored.
    pub original_missing: bool,
    /// Its direct reruns, the newest first.
    pub reruns: Vec<Instance>,
}

impl History {
    /// Originals, as far as they are stored, and direct reruns.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn lineage(&self, _id: &str) -> Result<Lineage, Error> {
        todo!("recursive")
    }
}
