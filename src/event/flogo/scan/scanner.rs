//! The pass over the text.

use super::{Part, Scan};

/// Values of a step with its keys, about, where engines make it.
const PARTS: usize = 128;

/// Takes `text` apart; none when it is not JSON.
///
/// # Panics
/// When it has 4 GiB or more; the edge takes far smaller bodies only.
pub(in crate::event::flogo) fn scan(text: &str) -> Option<Scan<'_>> {
    u32::try_from(text.len()).expect("a body is far below 4 GiB");
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        parts: Vec::with_capacity(PARTS),
    };
    scanner.values()?;
    let parts = scanner.parts;
    Some(Scan { text, parts })
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    parts: Vec<Part>,
}

impl Scanner<'_> {
    /// One value, whatever it holds, and nothing behind it.
    fn values(&mut self) -> Option<()> {
        let mut open: Vec<(usize, u8)> = Vec::with_capacity(8);
        loop {
            match self.next()? {
                byte @ (b'{' | b'[') => {
                    // Two behind it in ASCII stands what closes it.
                    let end = byte + 2;
                    open.push((self.parts.len(), end));
                    self.part(self.at - 1, false);
                    if self.peek()? != end {
                        if byte == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                byte => self.number(byte)?,
            }
            loop {
                let Some(&(of, end)) = open.last() else {
                    return self.peek().is_none().then_some(());
                };
                match self.next()? {
                    b',' => {
                        if end == b'}' {
                            self.key()?;
                        }
                        break;
                    }
                    byte if byte == end => {
                        open.pop();
                        let behind = self.parts.len();
                        let part = &mut self.parts[of];
                        (part.end, part.behind) = (position(self.at), position(behind));
                    }
                    _ => return None,
                }
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.string()?;
        self.expect(b':')
    }

    /// The rest of a string, behind its first quotation mark.
    fn string(&mut self) -> Option<()> {
        let begin = self.at - 1;
        self.at = plain_end(self.bytes, self.at);
        if *self.bytes.get(self.at)? != b'"' {
            return self.escaped(begin);
        }
        self.at += 1;
        self.part(begin, false);
        Some(())
    }

    /// What is left of such a string from its first escape on.
    #[cold]
    fn escaped(&mut self, begin: usize) -> Option<()> {
        while *self.bytes.get(self.at)? == b'\\' {
            let digits = match *self.bytes.get(self.at + 1)? {
                b'u' => 4,
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
                _ => return None,
            };
            self.at += 2;
            let hex = self.bytes.get(self.at..self.at + digits)?;
            if !hex.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            self.at = plain_end(self.bytes, self.at + digits);
        }
        if self.bytes[self.at] != b'"' {
            return None;
        }
        self.at += 1;
        self.part(begin, true);
        Some(())
    }

    /// A number whose first byte was read.
    fn number(&mut self, first: u8) -> Option<()> {
        let begin = self.at - 1;
        let first = match first {
            b'-' => {
                self.at += 1;
                *self.bytes.get(self.at - 1)?
            }
            first => first,
        };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.is(b".") {
            self.at += 1;
            self.some_digits()?;
        }
        if self.is(b"eE") {
            self.at += 1;
            if self.is(b"+-") {
                self.at += 1;
            }
            self.some_digits()?;
        }
        self.part(begin, false);
        Some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        let begin = self.at;
        self.digits();
        (self.at > begin).then_some(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// `true`, `false` or `null` without its first letter.
    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let begin = self.at - 1;
        let end = self.at + rest.len();
        if self.bytes.get(self.at..end)? != rest {
            return None;
        }
        self.at = end;
        self.part(begin, false);
        Some(())
    }

    /// Whether the next byte is one of these.
    fn is(&self, bytes: &[u8]) -> bool {
        let next = self.bytes.get(self.at);
        next.is_some_and(|next| bytes.contains(next))
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Notes a value up to here that holds nothing yet.
    #[inline]
    fn part(&mut self, begin: usize, escaped: bool) {
        self.parts.push(Part {
            begin: position(begin),
            end: position(self.at),
            behind: position(self.parts.len() + 1),
            escaped,
        });
    }
}

/// Where a value stands in the text, or among the values: no text has more of them than bytes.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`scan` takes no longer text, and asking here for each value takes a tenth of its time"
)]
#[inline]
fn position(at: usize) -> u32 {
    at as u32
}

/// Position of the next quotation mark, backslash or control character. Eight bytes at once, as
/// serde_json does: a byte below the one subtracted from it borrows from its highest bit.
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const BLANK: u64 = ONES * 0x20;
    const QUOTE: u64 = ONES * b'"' as u64;
    const BACKSLASH: u64 = ONES * b'\\' as u64;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let chunk = u64::from_le_bytes(*chunk);
        let below = |chunk: u64, limit| chunk.wrapping_sub(limit) & !chunk;
        let found =
            below(chunk, BLANK) | below(chunk ^ QUOTE, ONES) | below(chunk ^ BACKSLASH, ONES);
        let found = found & (ONES << 7);
        if found != 0 {
            // Borrowing goes on to the next bytes, never to the ones before.
            return at + found.trailing_zeros() as usize / 8;
        }
        at += size_of::<u64>();
    }
    let plain = |byte: &&u8| **byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    at + bytes.iter().skip(at).take_while(plain).count()
}
