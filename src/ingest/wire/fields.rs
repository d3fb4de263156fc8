//! The fields of one protobuf message, in the order in which they stand.

use super::malformed;
use crate::event::Invalid;

/// Reads a message field by field: the number of the next one, then its value.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    /// How the value is encoded that comes next.
    wire_type: u8,
}

const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            wire_type: VARINT,
        }
    }

    /// The number of the next field, whose value has to be read before the one behind it; none at
    /// the end of the message.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<u32>, Invalid> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.number().ok_or_else(broken)?;
        self.wire_type = (key & 7) as u8;
        match u32::try_from(key >> 3) {
            Ok(0) | Err(_) => Err(broken()),
            Ok(field) => Ok(Some(field)),
        }
    }

    /// The value, of the field called `name`: a text, a payload or a message.
    #[inline]
    pub(super) fn bytes(&mut self, name: &'static str) -> Result<&'a [u8], Invalid> {
        let value = match self.wire_type {
            BYTES => self.delimited(),
            _ => None,
        };
        value.ok_or_else(|| malformed(name))
    }

    /// The value, of the field called `name`: a number.
    #[inline]
    pub(super) fn varint(&mut self, name: &'static str) -> Result<u64, Invalid> {
        let value = match self.wire_type {
            VARINT => self.number(),
            _ => None,
        };
        value.ok_or_else(|| malformed(name))
    }

    /// Passes over the value of a field that nobody knows.
    pub(super) fn skip(&mut self) -> Result<(), Invalid> {
        let skipped = match self.wire_type {
            VARINT => self.number().map(drop),
            FIXED_64 => self.take(8).map(drop),
            BYTES => self.delimited().map(drop),
            FIXED_32 => self.take(4).map(drop),
            _ => None,
        };
        skipped.ok_or_else(broken)
    }

    #[inline]
    fn delimited(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        // Keys, lengths and small numbers have one byte.
        match self.rest.split_first()? {
            (byte, rest) if *byte < 0x80 => {
                self.rest = rest;
                Some((*byte).into())
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Option<u64> {
        let mut number = 0;
        let mut shift = 0;
        let mut rest = self.rest;
        while shift < 64
            && let Some((byte, behind)) = rest.split_first()
        {
            rest = behind;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                self.rest = rest;
                return Some(number);
            }
            shift += 7;
        }
        None
    }
}

#[cold]
fn broken() -> Invalid {
    malformed("the event")
}
