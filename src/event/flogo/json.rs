//! JSON objects read field by field, each failure named.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Time, scan::parts};
use crate::event::excerpt;

/// Fields of the objects of a step, at most, where engines make it.
const FIELDS: usize = 9;
/// Letters of a key or a value that an error shows.
const SHOWN: usize = 40;

/// Why a body cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct Invalid {
    /// The field, as a path of keys joined by dots, long ones cut; empty for the body itself.
    pub field: String,
    /// What is wrong with it, and what it has to be.
    pub problem: String,
}

impl Invalid {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// The same failure, seen from the object that `key` is a field of.
    fn under(mut self, key: &str) -> Self {
        if self.field.is_empty() {
            self.field = excerpt(key, SHOWN);
        } else {
            self.field = format!("{}.{}", excerpt(key, SHOWN), self.field);
        }
        self
    }
}

/// Result of reading a field.
pub(super) type Read<T> = Result<T, Invalid>;

/// An object, its values not read yet, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

/// The text of a value, which is known to be JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    pub(super) fn get(self) -> &'a str {
        self.0
    }

    /// The same for others to read.
    pub(super) fn value(self) -> Option<&'a RawValue> {
        serde_json::from_str(self.0).ok()
    }
}

impl<'a> Object<'a> {
    /// A whole body; `null` is the object without fields, as it is for Go.
    pub(super) fn body(text: &'a str) -> Read<Self> {
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| {
            let problem = if text.trim_ascii().is_empty() {
                "the body is empty; send one JSON object".to_owned()
            } else {
                format!("not JSON: {error}")
            };
            Invalid::new("", problem)
        })?;
        Ok(object(Raw(whole.get()))?.unwrap_or_default())
    }

    /// The value of `key` in any case: the last one that is not `null`, as Go decodes.
    fn value(&self, key: &str) -> Option<Raw<'a>> {
        let mut fields = self.0.iter().rev();
        fields
            .find(|(name, raw)| name.eq_ignore_ascii_case(key) && !is_null(*raw))
            .map(|&(_, raw)| raw)
    }

    fn read<T>(&self, key: &str, read: impl FnOnce(Raw<'a>) -> Read<T>) -> Read<Option<T>> {
        self.value(key)
            .map(read)
            .transpose()
            .map_err(|error| error.under(key))
    }

    /// A text; empty when it was not sent.
    pub(super) fn text(&self, key: &str) -> Read<String> {
        self.word(key).map(Cow::into_owned)
    }

    /// As [`Object::text`], borrowed unless it holds an escape.
    pub(super) fn word(&self, key: &str) -> Read<Cow<'a, str>> {
        let text = self.read(key, |raw| {
            if !raw.get().starts_with('"') {
                return Err(wrong("a text", raw));
            }
            decoded(raw.get()).map_err(|error| Invalid::new("", format!("not a text: {error}")))
        })?;
        Ok(text.unwrap_or_default())
    }

    /// A whole number; 0 when it was not sent.
    pub(super) fn integer(&self, key: &str) -> Read<i64> {
        let number = self.read(key, |raw| {
            let number = raw.get().parse();
            number.map_err(|_| wrong("a whole number of 64 bits", raw))
        })?;
        Ok(number.unwrap_or_default())
    }

    /// A whole number that is counted: 0 when it was not sent.
    pub(super) fn count(&self, key: &str) -> Read<i32> {
        let number = self.integer(key)?;
        i32::try_from(number)
            .ok()
            .filter(|number| *number >= 0)
            .ok_or_else(|| {
                let problem = format!("has to be 0 to {}, is {number}", i32::MAX);
                Invalid::new(key, problem)
            })
    }

    /// True or false; false when it was not sent.
    pub(super) fn flag(&self, key: &str) -> Read<bool> {
        let flag = self.read(key, |raw| {
            let flag = raw.get().parse();
            flag.map_err(|_| wrong("true or false", raw))
        })?;
        Ok(flag.unwrap_or_default())
    }

    /// A time; Go's zero time when it was not sent.
    pub(super) fn time(&self, key: &str) -> Read<Time> {
        let time = self.read(key, |raw| {
            let text = raw.get().starts_with('"').then(|| decoded(raw.get()).ok());
            text.flatten()
                .and_then(|text| Time::parse(&text))
                .ok_or_else(|| wrong("a time in RFC 3339", raw))
        })?;
        Ok(time.unwrap_or(Time::ZERO))
    }

    /// A free-form object, as it came; none when it is `null` or was not sent.
    pub(super) fn payload(&self, key: &str) -> Read<Option<Raw<'a>>> {
        self.read(key, |raw| {
            if raw.get().starts_with('{') {
                Ok(raw)
            } else {
                Err(wrong("an object or null", raw))
            }
        })
    }

    /// An object whose keys are texts, each value read by `read`, which sees `None` for `null`.
    pub(super) fn map<T>(
        &self,
        key: &str,
        read: impl Fn(Option<Object<'a>>) -> Read<T>,
    ) -> Read<Vec<(Cow<'a, str>, T)>> {
        let entries = self.read(key, |raw| {
            let entries = object(raw)?.unwrap_or_default().0.into_iter();
            entries
                .map(|(name, raw)| {
                    let value = object(raw)
                        .and_then(&read)
                        .map_err(|error| error.under(&name))?;
                    Ok((name, value))
                })
                .collect::<Read<Vec<_>>>()
        })?;
        Ok(entries.unwrap_or_default())
    }

    /// An array, each element read by `read`, which sees no fields where it is `null`.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(Object<'_>) -> Read<T>) -> Read<Vec<T>> {
        let elements = self.read(key, |raw| {
            if !raw.get().starts_with('[') {
                return Err(wrong("an array or null", raw));
            }
            (0..)
                .zip(parts(raw.get()))
                .map(|(at, raw)| {
                    object(Raw(raw))
                        .and_then(|value| read(value.unwrap_or_default()))
                        .map_err(|error| error.under(&u32::to_string(&at)))
                })
                .collect::<Read<Vec<_>>>()
        })?;
        Ok(elements.unwrap_or_default())
    }

    /// As [`Object::map`], with keys that are whole numbers in quotes; the last of equal keys stays.
    pub(super) fn numbered<T>(
        &self,
        key: &str,
        read: impl Fn(Option<Object<'a>>) -> Read<T>,
    ) -> Read<BTreeMap<i64, T>> {
        self.map(key, read)?
            .into_iter()
            .map(|(name, value)| match name.parse() {
                Ok(number) => Ok((number, value)),
                Err(_) => Err(Invalid::new(
                    format!("{key}.{}", excerpt(&name, SHOWN)),
                    "the key has to be a whole number in quotes",
                )),
            })
            .collect()
    }
}

/// The entries of a free-form object, by key bytewise; the last of equal keys stays.
pub(super) fn entries(raw: Raw<'_>) -> Read<BTreeMap<Cow<'_, str>, &RawValue>> {
    let entries = object(raw)?.unwrap_or_default().0.into_iter();
    Ok(entries
        .filter_map(|(key, raw)| Some((key, raw.value()?)))
        .collect())
}

/// The failure of a `null` where Go's service would crash.
pub(super) fn null() -> Invalid {
    Invalid::new("", "is null; leave the entry out or send an object")
}

fn is_null(raw: Raw<'_>) -> bool {
    raw.get() == "null"
}

fn object(raw: Raw<'_>) -> Read<Option<Object<'_>>> {
    if is_null(raw) {
        return Ok(None);
    }
    if !raw.get().starts_with('{') {
        return Err(wrong("an object", raw));
    }
    let mut fields = Vec::with_capacity(FIELDS);
    let mut parts = parts(raw.get());
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        let key = decoded(key).map_err(|error| Invalid::new("", format!("not JSON: {error}")))?;
        fields.push((key, Raw(value)));
    }
    Ok(Some(Object(fields)))
}

/// What a text in quotation marks says, borrowed unless it holds an escape.
fn decoded(quoted: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    match quoted.get(1..quoted.len() - 1) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(quoted).map(|Key(text)| text),
    }
}

fn wrong(expected: &str, raw: Raw<'_>) -> Invalid {
    let shown = excerpt(raw.get(), SHOWN);
    Invalid::new("", format!("has to be {expected}, is {shown}"))
}

/// A text, borrowed unless it holds an escape.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
