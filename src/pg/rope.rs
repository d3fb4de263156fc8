//! Several byte strings that read as one, so that what is sent need not be copied together.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};

/// Byte strings, one behind the other.
#[derive(Debug, Default)]
pub struct Rope {
    strands: VecDeque<Bytes>,
    bytes: usize,
}

impl Rope {
    /// Adds one behind the others.
    pub fn push(&mut self, strand: Bytes) {
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

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        for (slice, strand) in slices.iter_mut().zip(&self.strands) {
            *slice = IoSlice::new(strand);
        }
        slices.len().min(self.strands.len())
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

impl FromIterator<Bytes> for Rope {
    fn from_iter<T: IntoIterator<Item = Bytes>>(strands: T) -> Self {
        let mut rope = Self::default();
        strands.into_iter().for_each(|strand| rope.push(strand));
        rope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope() -> Rope {
        let strands = ["ab", "", "cde", "f"];
        strands
            .map(str::as_bytes)
            .map(Bytes::from_static)
            .into_iter()
            .collect()
    }

    #[test]
    fn it_reads_as_one_byte_string() {
        let mut rope = rope();
        assert_eq!(rope.remaining(), 6);
        rope.advance(3);
        assert_eq!(rope.chunk(), b"de");
        assert_eq!(rope.copy_to_bytes(3), "def");
        assert!(!rope.has_remaining());
    }

    #[test]
    fn it_can_be_written_in_one_go() {
        let rope = rope();
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(rope.chunks_vectored(&mut slices), 2);
        assert_eq!(slices.map(|slice| slice.to_vec()).concat(), b"abcde");
        let mut slices = [IoSlice::new(&[]); 9];
        assert_eq!(rope.chunks_vectored(&mut slices), 3);
    }
}
