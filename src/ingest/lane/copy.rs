//! Rows into a staging table by binary COPY: ropes of the very bytes that the edge encoded, so that a
//! payload is copied once more only, into the driver's buffer.

use std::pin::Pin;

use bytes::{Buf as _, Bytes};
use futures_util::SinkExt as _;
use tokio_postgres::{CopyInSink, Error, Statement};

use super::session::Session;
use crate::pg::{Rope, binary};

/// Bytes of one CopyData message, about: small ones cost wake-ups, large ones bring nothing.
const MESSAGE_BYTES: usize = 128 << 10;

/// A COPY that is under way.
pub struct Copying {
    sink: Pin<Box<CopyInSink<Rope>>>,
    rope: Rope,
}

impl Copying {
    /// Begins one. When that fails the session is of no more use.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn begin(session: &Session, statement: &Statement) -> Result<Self, Error> {
        let begun = session.client.copy_in(statement).await;
        let sink = Box::pin(begun.inspect_err(|_| session.lose_step())?);
        let mut rope = Rope::default();
        rope.push(Bytes::from_static(&binary::HEADER));
        Ok(Self { sink, rope })
    }

    /// Streams `rows` into it.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn send(&mut self, rows: impl Iterator<Item = Bytes>) -> Result<(), Error> {
        for mut slice in rows {
            while self.rope.remaining() + slice.len() > MESSAGE_BYTES {
                let room = MESSAGE_BYTES - self.rope.remaining();
                self.rope.push(slice.split_to(room.min(slice.len())));
                self.sink.feed(std::mem::take(&mut self.rope)).await?;
            }
            self.rope.push(slice);
        }
        Ok(())
    }

    /// Ends it: its rows are in the table when the database says so.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn finish(self) -> Result<(), Error> {
        let Self { mut sink, mut rope } = self;
        rope.push(Bytes::from_static(&binary::TRAILER));
        sink.feed(rope).await?;
        sink.as_mut().finish().await?;
        Ok(())
    }
}
