//! A JSON text checked and taken apart in one pass: a step's values lie five levels deep, and a parser
//! of single values would read the innermost ones as often. What is JSON and what is not is the same
//! as for serde_json, which also says what is wrong.

mod scanner;

pub(super) use scanner::scan;

/// Where each value of a text stands, keys among them, in the order in which they begin.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    text: &'a str,
    parts: Vec<Part>,
}

/// A value of a text that was scanned, without blanks around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'s, 'a> {
    scan: &'s Scan<'a>,
    /// Which of the parts it is.
    at: usize,
}

/// What an object or an array holds: key, value, key, value, or the elements.
#[derive(Clone, Debug)]
pub(super) struct Values<'s, 'a> {
    scan: &'s Scan<'a>,
    /// The first part that is left, and the first behind all of them.
    at: usize,
    behind: usize,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    begin: u32,
    end: u32,
    /// The first part behind it that does not lie inside it.
    behind: u32,
    /// A string that does not say what it stands for letter by letter.
    escaped: bool,
}

impl<'a> Scan<'a> {
    /// The whole.
    pub(super) fn value(&self) -> Value<'_, 'a> {
        Value { scan: self, at: 0 }
    }
}

impl<'s, 'a> Value<'s, 'a> {
    #[inline]
    fn part(self) -> &'s Part {
        &self.scan.parts[self.at]
    }

    /// How it is written.
    #[inline]
    pub(super) fn text(self) -> &'a str {
        let part = self.part();
        let range = part.begin as usize..part.end as usize;
        self.scan.text.get(range).unwrap_or_default()
    }

    /// The byte it begins with, which tells its kind.
    #[inline]
    pub(super) fn first(self) -> u8 {
        self.scan.text.as_bytes()[self.part().begin as usize]
    }

    /// Whether it is a string without escapes that says `word` in any case.
    #[inline]
    pub(super) fn says(self, word: &str) -> bool {
        let part = self.part();
        let (begin, end) = (part.begin as usize + 1, part.end as usize - 1);
        let plain = begin + word.len() == end && !part.escaped;
        let letters = self.scan.text.as_bytes().get(begin..end);
        let word = word.as_bytes();
        // As nearly all of them come in the very same letters, those are looked for first.
        plain
            && letters.is_some_and(|letters| letters == word || letters.eq_ignore_ascii_case(word))
    }

    /// Whether it is a string with escapes in it.
    #[inline]
    pub(super) fn escaped(self) -> bool {
        self.part().escaped
    }

    /// What an object or an array holds; nothing of other values.
    #[inline]
    pub(super) fn inside(self) -> Values<'s, 'a> {
        Values {
            scan: self.scan,
            at: self.at + 1,
            behind: self.part().behind as usize,
        }
    }
}

impl<'s, 'a> Iterator for Values<'s, 'a> {
    type Item = Value<'s, 'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'s, 'a>> {
        let (scan, at) = (self.scan, self.at);
        if at >= self.behind {
            return None;
        }
        self.at = scan.parts[at].behind as usize;
        Some(Value { scan, at })
    }
}

#[cfg(test)]
mod tests;
