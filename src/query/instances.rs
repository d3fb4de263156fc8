//! Lists of instances, and one.

use bytes::Bytes;

use super::{Attempt, Cursor, Detail, Error, Filter, History, Instance, Page, Payload};

/// Instances of a page at most.
pub const MAX_PAGE: u32 = 1_000;
/// Instances counted at most by [`History::instances_at`].
pub const MAX_COUNT: i64 = 10_000;

impl History {
    /// A page of at most `limit` instances behind `after`.
    ///
    /// # Errors
    /// When the filter is wrong or the database does not answer.
    pub async fn instances(
        &self,
        _filter: &Filter,
        _after: Option<&Cursor>,
        _limit: u32,
    ) -> Result<Page, Error> {
        todo!("keyset")
    }

    /// The instances at `offset`, and how many there are in all, counted up to [`MAX_COUNT`].
    ///
    /// # Errors
    /// When the filter is wrong or the database does not answer.
    pub async fn instances_at(
        &self,
        _filter: &Filter,
        _offset: u32,
        _limit: u32,
    ) -> Result<(Vec<Instance>, i64), Error> {
        todo!("offset")
    }

    /// Those of `ids` that pass `filter`, as they are now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn instances_of(
        &self,
        _ids: &[&str],
        _filter: &Filter,
    ) -> Result<Vec<Instance>, Error> {
        todo!("by key")
    }

    /// One attempt of an instance.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn instance(&self, _id: &str, _attempt: Attempt) -> Result<Instance, Error> {
        todo!("by key")
    }

    /// One attempt of an instance with what is missing of it. An instance of which nothing but
    /// steps is stored is shown too.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn detail(&self, _id: &str, _attempt: Attempt) -> Result<Detail, Error> {
        todo!("with gaps")
    }

    /// A payload of an attempt; none when the column is NULL.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database does not answer.
    pub async fn payload(
        &self,
        _id: &str,
        _attempt: Attempt,
        _payload: Payload,
    ) -> Result<Option<Bytes>, Error> {
        todo!("by key")
    }
}
