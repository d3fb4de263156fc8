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

/// `flowtrail.v1.RecordRequest`. One that is a chunk and nothing else, as nearly all are, is decoded
/// from a single slice of its frame, which costs a quarter of taking each event out of a buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordRequest {
    /// Hello or chunk; none for what a later version of the protocol may say.
    pub message: Option<record_request::Message>,
}

/// What a [`RecordRequest`] holds.
pub mod record_request {
    use super::{Chunk, Hello};

    /// One of them.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Message {
        /// Who reports; the first message of a stream.
        #[prost(message, tag = "1")]
        Hello(Hello),
        /// Events; every further message.
        #[prost(message, tag = "2")]
        Chunk(Chunk),
    }
}

/// The first byte of an encoded `RecordRequest.chunk`, and of a `Chunk.events`.
const CHUNK_KEY: u8 = 2 << 3 | WireType::LengthDelimited as u8;
const EVENT_KEY: u8 = 3 << 3 | WireType::LengthDelimited as u8;

impl Message for RecordRequest {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(message) = &self.message {
            message.encode(buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 | 2 => record_request::Message::merge(&mut self.message, tag, wire_type, buf, ctx),
            _ => encoding::skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn merge(&mut self, mut buf: impl Buf) -> Result<(), DecodeError> {
        let mut frame = buf.copy_to_bytes(buf.remaining());
        if self.message.is_none()
            && let Some((chunk, [])) = delimited(CHUNK_KEY, &frame)
        {
            let chunk = Chunk::of(&frame.slice_ref(chunk))?;
            self.message = Some(record_request::Message::Chunk(chunk));
            return Ok(());
        }
        while frame.has_remaining() {
            let (tag, wire_type) = encoding::decode_key(&mut frame)?;
            self.merge_field(tag, wire_type, &mut frame, DecodeContext::default())?;
        }
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        let message = self.message.as_ref();
        message.map_or(0, record_request::Message::encoded_len)
    }

    fn clear(&mut self) {
        self.message = None;
    }
}

impl Chunk {
    /// Events a chunk may hold.
    pub const MAX_EVENTS: usize = 10_000;

    /// The chunk encoded in `frame`, with slices of it.
    fn of(frame: &Bytes) -> Result<Self, DecodeError> {
        let mut chunk = Self::default();
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match delimited(EVENT_KEY, rest) {
                Some((event, behind)) if chunk.events.len() <= Self::MAX_EVENTS => {
                    chunk.events.push(frame.slice_ref(event));
                    rest = behind;
                }
                _ => {
                    let (tag, wire_type) = encoding::decode_key(&mut rest)?;
                    chunk.merge_field(tag, wire_type, &mut rest, DecodeContext::default())?;
                }
            }
        }
        Ok(chunk)
    }
}

/// The bytes of the field that begins with `key`, and what stands behind it; none when it is another
/// field or a broken one.
fn delimited(key: u8, message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = message.strip_prefix(&[key])?;
    let length = encoding::decode_varint(&mut rest).ok()?;
    rest.split_at_checked(usize::try_from(length).ok()?)
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

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy as _;

    use super::*;

    fn chunk(events: usize) -> Chunk {
        Chunk {
            sequence: 7,
            resent: true,
            events: (0..events).map(|n| vec![b'e'; n % 300].into()).collect(),
        }
    }

    fn request(chunk: Chunk) -> RecordRequest {
        RecordRequest {
            message: Some(record_request::Message::Chunk(chunk)),
        }
    }

    /// As [`RecordRequest::decode`], but field by field out of a buffer in two pieces.
    fn plain(frame: &[u8]) -> Result<RecordRequest, DecodeError> {
        let (one, two) = frame.split_at(frame.len() / 2);
        let mut buf = one.chain(two);
        let mut request = RecordRequest::default();
        while buf.has_remaining() {
            let (tag, wire_type) = encoding::decode_key(&mut buf)?;
            request.merge_field(tag, wire_type, &mut buf, DecodeContext::default())?;
        }
        Ok(request)
    }

    #[test]
    fn a_chunk_is_what_it_was() {
        for events in [0, 1, 500] {
            let sent = request(chunk(events));
            let frame = sent.encode_to_vec();
            assert_eq!(RecordRequest::decode(&frame[..]), Ok(sent));
        }
    }

    #[test]
    fn no_more_events_are_kept_than_tell_that_there_are_too_many() {
        let mut sent = chunk(Chunk::MAX_EVENTS);
        sent.events.resize(Chunk::MAX_EVENTS + 9, Bytes::new());
        let frame = request(sent).encode_to_vec();
        let taken = RecordRequest::decode(&frame[..]).expect("a request");
        assert_eq!(plain(&frame).as_ref(), Ok(&taken));
        let Some(record_request::Message::Chunk(chunk)) = taken.message else {
            panic!("a chunk")
        };
        assert_eq!(chunk.events.len(), Chunk::MAX_EVENTS + 1);
    }

    proptest::proptest! {
        #[test]
        fn a_request_means_the_same_however_it_is_decoded(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::sample::select(vec![
                        &b"\x0a\x03\x0a\x01u"[..], b"\x12\x00", b"\x12\x02\x08\x05",
                        b"\x12\x07\x1a\x01e\x10\x01\x1a\x00", b"\x12\x03\x22\x01x",
                        b"\x12\x03\x1a\x05e", b"\x1a\x01x", b"\x12\x02\x1a\x80", b"\x12",
                    ]).prop_map(<[u8]>::to_vec),
                    proptest::collection::vec(proptest::num::u8::ANY, 0..4),
                ],
                0..4,
            ),
        ) {
            let frame = parts.concat();
            let decoded = RecordRequest::decode(&frame[..]);
            assert_eq!(decoded.ok(), plain(&frame).ok(), "{frame:?}");
        }
    }
}
