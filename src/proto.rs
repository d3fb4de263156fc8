//! The generated protocol, `flowtrail.v1`, and its descriptor set for reflection.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};

pub use generated::*;

mod generated {
    #![expect(
        missing_docs,
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated from proto/flowtrail/v1, where the documentation stands"
    )]

    tonic::include_proto!("flowtrail.v1");
}

/// The compiled descriptors of `proto/flowtrail/v1`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flowtrail.bin"));

/// `flowtrail.v1.Chunk` as it is on the wire, each event left encoded: a slice of the frame it
/// came in. `Event::encode_to_vec` makes one, `ingest::wire` reads it.
///
/// Decoding stops to keep events after [`Chunk::MAX_EVENTS`] and one more, so that a frame of
/// nothing but empty events cannot grow to thirty times its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Rises strictly within a stream.
    pub sequence: u64,
    /// Any of the events may have been sent before.
    pub resent: bool,
    /// Encoded `flowtrail.v1.Event`s.
    pub events: Vec<Bytes>,
}

impl Chunk {
    /// Events a chunk may hold.
    pub const MAX_EVENTS: usize = 10_000;
}

impl Message for Chunk {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if self.sequence != 0 {
            encoding::uint64::encode(1, &self.sequence, buf);
        }
        if self.resent {
            encoding::bool::encode(2, &self.resent, buf);
        }
        encoding::bytes::encode_repeated(3, &self.events, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => encoding::uint64::merge(wire_type, &mut self.sequence, buf, ctx),
            2 => encoding::bool::merge(wire_type, &mut self.resent, buf, ctx),
            3 if self.events.len() <= Self::MAX_EVENTS => {
                encoding::bytes::merge_repeated(wire_type, &mut self.events, buf, ctx)
            }
            _ => encoding::skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let sequence = match self.sequence {
            0 => 0,
            sequence => encoding::uint64::encoded_len(1, &sequence),
        };
        let resent = if self.resent {
            encoding::bool::encoded_len(2, &true)
        } else {
            0
        };
        sequence + resent + encoding::bytes::encoded_len_repeated(3, &self.events)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
