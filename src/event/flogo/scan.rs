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
    text: &'a str,
    part: Part,
    inside: &'s [Part],
}

/// What an object or an array holds: key, value, key, value, or the elements.
#[derive(Clone, Debug, Default)]
pub(super) struct Values<'s, 'a> {
    text: &'a str,
    parts: &'s [Part],
}

#[derive(Clone, Copy, Debug)]
struct Part {
    begin: u32,
    end: u32,
    /// How many of the parts behind it lie inside it.
    inside: u32,
    /// A string that does not say what it stands for letter by letter.
    escaped: bool,
}

impl<'a> Scan<'a> {
    /// The whole.
    pub(super) fn value(&self) -> Value<'_, 'a> {
        let (part, inside) = self.parts.split_first().expect("JSON is a value at least");
        Value {
            text: self.text,
            part: *part,
            inside,
        }
    }
}

impl<'s, 'a> Value<'s, 'a> {
    /// How it is written.
    pub(super) fn text(self) -> &'a str {
        let range = self.part.begin as usize..self.part.end as usize;
        self.text.get(range).unwrap_or_default()
    }

    /// The byte it begins with, which tells its kind.
    #[inline]
    pub(super) fn first(self) -> u8 {
        let first = self.text.as_bytes().get(self.part.begin as usize);
        first.copied().unwrap_or_default()
    }

    /// Whether it is a string without escapes that says `word` in any case.
    #[inline]
    pub(super) fn says(self, word: &str) -> bool {
        let (begin, end) = (self.part.begin as usize + 1, self.part.end as usize - 1);
        let plain = begin + word.len() == end && !self.part.escaped;
        let letters = self.text.as_bytes().get(begin..end);
        let word = word.as_bytes();
        // As nearly all of them come in the very same letters, those are looked for first.
        plain
            && letters.is_some_and(|letters| letters == word || letters.eq_ignore_ascii_case(word))
    }

    /// Whether it is a string with escapes in it.
    pub(super) fn escaped(self) -> bool {
        self.part.escaped
    }

    /// What an object or an array holds; nothing of other values.
    pub(super) fn inside(self) -> Values<'s, 'a> {
        Values {
            text: self.text,
            parts: self.inside,
        }
    }
}

impl<'s, 'a> Iterator for Values<'s, 'a> {
    type Item = Value<'s, 'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'s, 'a>> {
        let (&part, behind) = self.parts.split_first()?;
        let (inside, behind) = behind.split_at_checked(part.inside as usize)?;
        self.parts = behind;
        Some(Value {
            text: self.text,
            part,
            inside,
        })
    }
}

#[cfg(test)]
mod tests;
