//! The bytes of a segment: a header, then records, each behind a frame. Pure.
//!
//! ```text
//! header, 64 bytes   magic 8 | format u16 | row layout u16 | 0 u32 | database 16 | first sequence u64
//!                    | made at i64, µs since 1970 | 0, 12 bytes | CRC32C of the 60 bytes before
//! frame, 16 bytes    payload's length u32 | sequence u64 | CRC32C of database, length, sequence, payload
//! ```
//!
//! Numbers are little endian. Zeros where a frame should be are the end. A record's CRC begins with
//! the database's id, so that a record proves whose it is even where its header is damaged.

use uuid::Uuid;

/// The newest format this program knows, and the one it writes.
pub const FORMAT: u16 = 1;
/// The newest layout of rows (`ingest::row`) this program knows, and the one it writes.
pub const ROW_LAYOUT: u16 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: u64 = 64;
/// Bytes of a frame.
pub const FRAME_BYTES: u64 = 16;
/// Bytes of a payload at most: a chunk of 64 MiB and what may be made of it fit.
pub const PAYLOAD_BYTES: u32 = 256 << 20;

const MAGIC: [u8; 8] = *b"ftspool\n";

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its format.
    pub format: u16,
    /// The layout of its rows.
    pub layout: u16,
    /// The database its events are for.
    pub database: Uuid,
    /// Sequence of its first record.
    pub first: u64,
    /// When it was made, µs since 1970.
    pub made_at: i64,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&self.format.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.layout.to_le_bytes());
        bytes[16..32].copy_from_slice(self.database.as_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.made_at.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// A header from the first bytes of a file; none when they are not a whole one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, _) = bytes.split_first_chunk::<64>()?;
        let crc = u32::from_le_bytes(array(&bytes[60..]));
        if bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..60]) != crc {
            return None;
        }
        Some(Self {
            format: u16::from_le_bytes(array(&bytes[8..])),
            layout: u16::from_le_bytes(array(&bytes[10..])),
            database: Uuid::from_bytes(array(&bytes[16..])),
            first: u64::from_le_bytes(array(&bytes[32..])),
            made_at: i64::from_le_bytes(array(&bytes[40..])),
        })
    }

    /// What of it a newer program wrote, and what we know of that at most; none if we know all.
    pub fn newer(&self) -> Option<(u16, u16)> {
        [(self.format, FORMAT), (self.layout, ROW_LAYOUT)]
            .into_iter()
            .find(|(found, known)| found > known)
    }
}

/// What the CRCs of a database's records begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u32);

impl From<Uuid> for Seed {
    fn from(database: Uuid) -> Self {
        Self(crc32c::crc32c(database.as_bytes()))
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of the payload.
    pub length: u32,
    /// The record's sequence.
    pub sequence: u64,
    crc: u32,
}

impl Frame {
    /// The frame of a payload that is in pieces; none when it is longer than [`PAYLOAD_BYTES`].
    pub fn around(seed: Seed, sequence: u64, payload: &[&[u8]]) -> Option<Self> {
        let length = payload.iter().map(|piece| piece.len()).sum::<usize>();
        let length = u32::try_from(length).ok()?;
        (length <= PAYLOAD_BYTES).then(|| Self {
            length,
            sequence,
            crc: crc(seed, length, sequence, payload),
        })
    }

    /// Its bytes.
    pub fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[12..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    /// A frame from 16 bytes, whatever they are; none when there are fewer.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, _) = bytes.split_first_chunk::<16>()?;
        Some(Self {
            length: u32::from_le_bytes(array(&bytes[..])),
            sequence: u64::from_le_bytes(array(&bytes[4..])),
            crc: u32::from_le_bytes(array(&bytes[12..])),
        })
    }

    /// Bytes of the record, frame included.
    pub fn record_bytes(self) -> u64 {
        FRAME_BYTES + u64::from(self.length)
    }

    /// Whether a record may begin like this where `left` bytes are left.
    pub fn fits(self, left: u64) -> bool {
        (1..=PAYLOAD_BYTES).contains(&self.length) && self.record_bytes() <= left
    }

    /// Whether `payload` is what was framed.
    pub fn matches(self, seed: Seed, payload: &[u8]) -> bool {
        payload.len() as u64 == u64::from(self.length)
            && crc(seed, self.length, self.sequence, &[payload]) == self.crc
    }
}

fn crc(seed: Seed, length: u32, sequence: u64, payload: &[&[u8]]) -> u32 {
    let crc = crc32c::crc32c_append(seed.0, &length.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &sequence.to_le_bytes());
    payload
        .iter()
        .fold(crc, |crc, piece| crc32c::crc32c_append(crc, piece))
}

/// The first `N` bytes of more.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_byte_of_it_may_change() {
        let header = Header {
            format: FORMAT,
            layout: ROW_LAYOUT,
            database: Uuid::from_u128(7),
            first: 42,
            made_at: -1,
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header.clone()));
        assert_eq!(header.newer(), None);
        for at in 0..bytes.len() {
            let mut bytes = bytes;
            bytes[at] ^= 0x10;
            assert_eq!(Header::decode(&bytes), None, "byte {at}");
        }
        assert_eq!(Header::decode(&bytes[..63]), None);
        let newer = Header {
            format: FORMAT + 1,
            ..header
        };
        assert_eq!(newer.newer(), Some((FORMAT + 1, FORMAT)));
    }

    #[test]
    fn a_record_belongs_to_its_sequence_and_its_database() {
        let (ours, theirs) = (
            Seed::from(Uuid::from_u128(1)),
            Seed::from(Uuid::from_u128(2)),
        );
        let frame = Frame::around(ours, 9, &[b"ab", b"", b"c"]).expect("a short payload");
        assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        assert!(frame.matches(ours, b"abc"));
        assert!(!frame.matches(theirs, b"abc"));
        assert!(!frame.matches(ours, b"abd"));
        assert!(!frame.matches(ours, b"ab"));
        let other = Frame {
            sequence: 10,
            ..frame
        };
        assert!(!other.matches(ours, b"abc"));
        assert!(frame.fits(19) && !frame.fits(18));
    }
}
