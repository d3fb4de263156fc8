//! Rows into a binary COPY: ropes of the very bytes that the edge encoded, so that a payload is
//! copied once more only, into the driver's buffer.

use std::{collections::VecDeque, pin::pin};

use bytes::{Buf, Bytes};
use futures_util::SinkExt as _;
use tokio_postgres::{Client, Error, Statement};

use crate::pg::binary;

/// Bytes of one CopyData message, about: small ones cost wake-ups, large ones bring nothing.
const MESSAGE_BYTES: usize = 128 << 10;

/// Streams `rows` into the table of the COPY statement; answers with the number of rows.
pub async fn copy_in(
    client: &Client,
    statement: &Statement,
    rows: impl Iterator<Item = Bytes>,
) -> Result<u64, Error> {
    let mut sink = pin!(client.copy_in::<_, Rope>(statement).await?);
    let mut rope = Rope::default();
    rope.push(Bytes::from_static(&binary::HEADER));
    for mut slice in rows {
        while rope.bytes + slice.len() > MESSAGE_BYTES {
            rope.push(slice.split_to((MESSAGE_BYTES - rope.bytes).min(slice.len())));
            sink.feed(std::mem::take(&mut rope)).await?;
        }
        rope.push(slice);
    }
    rope.push(Bytes::from_static(&binary::TRAILER));
    sink.feed(rope).await?;
    sink.finish().await
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
