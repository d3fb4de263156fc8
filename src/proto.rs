//! The generated protocol, `flowtrail.v1`, and its descriptor set for reflection.

#![expect(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/flowtrail/v1, where the documentation stands"
)]

use bytes::Bytes;

tonic::include_proto!("flowtrail.v1");

/// The compiled descriptors of `proto/flowtrail/v1`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flowtrail.bin"));

/// `flowtrail.v1.Chunk` as it is on the wire, each event left encoded: a slice of the frame it
/// came in. `Event::encode_to_vec` makes one, `ingest::wire` reads it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Chunk {
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    #[prost(bool, tag = "2")]
    pub resent: bool,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub events: Vec<Bytes>,
}
