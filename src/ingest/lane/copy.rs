//! Rows into a binary COPY: ropes of the very bytes that the edge encoded, so that a payload is
//! copied once more only, into the driver's buffer.

use std::{collections::VecDeque, pin::Pin};

use bytes::{Buf, Bytes};
use futures_util::{SinkExt as _, join};
use tokio_postgres::{CopyInSink, Error, Statement};

use super::session::Session;
use crate::pg::binary;

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

    /// Ends the one `before`, if any, and begins another without waiting in between.
    ///
    /// # Errors
    /// As [`Copying::finish`] and [`Copying::begin`].
    pub async fn follow(
        before: Option<Self>,
        session: &Session,
        statement: &Statement,
    ) -> Result<Self, Error> {
        let (finished, begun) = join!(Self::finish(before), Self::begin(session, statement));
        finished?;
        begun
    }

    /// Streams `rows` into it.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn send(&mut self, rows: impl Iterator<Item = Bytes>) -> Result<(), Error> {
        for mut slice in rows {
            while self.rope.bytes + slice.len() > MESSAGE_BYTES {
                let room = MESSAGE_BYTES - self.rope.bytes;
                self.rope.push(slice.split_to(room.min(slice.len())));
                self.sink.feed(std::mem::take(&mut self.rope)).await?;
            }
            self.rope.push(slice);
        }
        Ok(())
    }

    /// Ends it, if there is one: its rows are in the table when the database says so.
    ///
    /// # Errors
    /// What the database said instead.
    pub async fn finish(copying: Option<Self>) -> Result<(), Error> {
        let Some(Self { mut sink, mut rope }) = copying else {
            return Ok(());
        };
        rope.push(Bytes::from_static(&binary::TRAILER));
        sink.feed(rope).await?;
        sink.as_mut().finish().await?;
        Ok(())
    }
}

/// Several byte strings that read as one.
#[derive(Debug, Default)]
struct Rope {
    strands: VecDeque<Bytes>,
    bytes: usize,
}

impl Rope {
    fn push(&mut self, strand: Bytes) {
        self.bytes += strand.len();
        if !strand.is_empty() {
            self.strands.push_back(strand);
        }
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.strands.front().map_or(&[], |strand| strand)
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes = self
            .bytes
            .checked_sub(count)
            .expect("advanced past the end of a rope");
        while let Some(strand) = self.strands.front_mut() {
            if count < strand.len() {
                strand.advance(count);
                return;
            }
            count -= strand.len();
            self.strands.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_reads_as_one_byte_string() {
        let mut rope = Rope::default();
        for strand in ["ab", "", "cde", "f"] {
            rope.push(Bytes::from_static(strand.as_bytes()));
        }
        assert_eq!(rope.remaining(), 6);
        rope.advance(3);
        assert_eq!(rope.chunk(), b"de");
        assert_eq!(rope.copy_to_bytes(3), "def");
        assert!(!rope.has_remaining());
    }
}
