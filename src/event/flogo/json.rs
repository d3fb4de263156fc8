//! JSON objects read field by field, each failure named.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    Time,
    scan::{Scan, Value, scan},
};
use crate::event::excerpt;

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

/// A whole body, if it is JSON.
pub(super) fn body(text: &str) -> Read<Scan<'_>> {
    scan(text).ok_or_else(|| {
        let problem = match serde_json::from_str::<IgnoredAny>(text) {
            _ if text.trim_ascii().is_empty() => {
                "the body is empty; send one JSON object".to_owned()
            }
            Err(error) => format!("not JSON: {error}"),
            Ok(_) => "not JSON".to_owned(),
        };
        Invalid::new("", problem)
    })
}

/// An object, its values not read yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Object<'s, 'a>(Option<Value<'s, 'a>>);

impl<'s, 'a> Object<'s, 'a> {
    /// What a body says; `null` is the object without fields, as it is for Go.
    pub(super) fn of(body: &'s Scan<'a>) -> Read<Self> {
        Ok(object(body.value())?.unwrap_or_default())
    }

    /// Keys and values in the order in which they came.
    fn fields(self) -> impl Iterator<Item = (Value<'s, 'a>, Value<'s, 'a>)> {
        let mut inside = self.0.map(Value::inside).unwrap_or_default();
        std::iter::from_fn(move || Some((inside.next()?, inside.next()?)))
    }

    /// The value of `key` in any case: the last one that is not `null`, as Go decodes.
    fn value(self, key: &str) -> Option<Value<'s, 'a>> {
        let values = self
            .fields()
            .filter(|(name, value)| named(*name, key) && !is_null(*value));
        values.last().map(|(_, value)| value)
    }

    fn read<T>(self, key: &str, read: impl FnOnce(Value<'s, 'a>) -> Read<T>) -> Read<Option<T>> {
        self.value(key)
            .map(read)
            .transpose()
            .map_err(|error| error.under(key))
    }

    /// A text; empty when it was not sent.
    pub(super) fn text(self, key: &str) -> Read<String> {
        self.word(key).map(Cow::into_owned)
    }

    /// As [`Object::text`], borrowed unless it holds an escape.
    pub(super) fn word(self, key: &str) -> Read<Cow<'a, str>> {
        let text = self.read(key, |value| {
            if !value.text().starts_with('"') {
                return Err(wrong("a text", value));
            }
            decoded(value).map_err(|error| Invalid::new("", format!("not a text: {error}")))
        })?;
        Ok(text.unwrap_or_default())
    }

    /// A whole number; 0 when it was not sent.
    pub(super) fn integer(self, key: &str) -> Read<i64> {
        let number = self.read(key, |value| {
            let number = value.text().parse();
            number.map_err(|_| wrong("a whole number of 64 bits", value))
        })?;
        Ok(number.unwrap_or_default())
    }

    /// A whole number that is counted: 0 when it was not sent.
    pub(super) fn count(self, key: &str) -> Read<i32> {
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
    pub(super) fn flag(self, key: &str) -> Read<bool> {
        let flag = self.read(key, |value| {
            let flag = value.text().parse();
            flag.map_err(|_| wrong("true or false", value))
        })?;
        Ok(flag.unwrap_or_default())
    }

    /// A time; Go's zero time when it was not sent.
    pub(super) fn time(self, key: &str) -> Read<Time> {
        let time = self.read(key, |value| {
            let text = value.text().starts_with('"').then(|| decoded(value).ok());
            text.flatten()
                .and_then(|text| Time::parse(&text))
                .ok_or_else(|| wrong("a time in RFC 3339", value))
        })?;
        Ok(time.unwrap_or(Time::ZERO))
    }

    /// A free-form object, as it came; none when it is `null` or was not sent.
    pub(super) fn payload(self, key: &str) -> Read<Option<&'a str>> {
        self.read(key, |value| match value.text() {
            text if text.starts_with('{') => Ok(text),
            _ => Err(wrong("an object or null", value)),
        })
    }

    /// An object whose keys are texts, each value read by `read`, which sees `None` for `null`; the
    /// last of equal keys stays.
    pub(super) fn map<T>(
        self,
        key: &str,
        read: impl Fn(Option<Self>) -> Read<T>,
    ) -> Read<BTreeMap<Cow<'a, str>, T>> {
        let mut entries = BTreeMap::new();
        self.each(key, read, |name, value| {
            entries.insert(name, value);
        })?;
        Ok(entries)
    }

    /// As [`Object::map`], with keys that are whole numbers in quotes.
    pub(super) fn numbered<T>(
        self,
        key: &str,
        read: impl Fn(Option<Self>) -> Read<T>,
    ) -> Read<BTreeMap<i64, T>> {
        let mut entries = BTreeMap::new();
        let mut wrong = None;
        self.each(key, read, |name, value| match name.parse() {
            Ok(number) => drop(entries.insert(number, value)),
            Err(_) => drop(wrong.get_or_insert(name)),
        })?;
        match wrong {
            None => Ok(entries),
            Some(name) => Err(Invalid::new(
                format!("{key}.{}", excerpt(&name, SHOWN)),
                "the key has to be a whole number in quotes",
            )),
        }
    }

    fn each<T>(
        self,
        key: &str,
        read: impl Fn(Option<Self>) -> Read<T>,
        mut entry: impl FnMut(Cow<'a, str>, T),
    ) -> Read<()> {
        let each = self.read(key, |value| {
            let entries = object(value)?.unwrap_or_default();
            for (name, value) in entries.fields() {
                let name = key_text(name)?;
                let value = object(value).and_then(&read);
                let value = value.map_err(|error| error.under(&name))?;
                entry(name, value);
            }
            Ok(())
        });
        each.map(Option::unwrap_or_default)
    }

    /// An array, each element read by `read`, which sees no fields where it is `null`.
    pub(super) fn list<T>(self, key: &str, read: impl Fn(Self) -> Read<T>) -> Read<Vec<T>> {
        let elements = self.read(key, |value| {
            if !value.text().starts_with('[') {
                return Err(wrong("an array or null", value));
            }
            (0..)
                .zip(value.inside())
                .map(|(at, value)| {
                    object(value)
                        .and_then(|value| read(value.unwrap_or_default()))
                        .map_err(|error| error.under(&u32::to_string(&at)))
                })
                .collect::<Read<Vec<_>>>()
        })?;
        Ok(elements.unwrap_or_default())
    }
}

/// The entries of a free-form object, by key bytewise; the last of equal keys stays.
pub(super) fn entries(payload: &str) -> Read<BTreeMap<Cow<'_, str>, &RawValue>> {
    let payload = body(payload)?;
    let mut entries = BTreeMap::new();
    for (name, value) in Object::of(&payload)?.fields() {
        let name = key_text(name)?;
        if let Some(value) = raw(value.text()) {
            entries.insert(name, value);
        }
    }
    Ok(entries)
}

/// A text that is known to be JSON, for others to read.
pub(super) fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

/// The failure of a `null` where Go's service would crash.
pub(super) fn null() -> Invalid {
    Invalid::new("", "is null; leave the entry out or send an object")
}

fn is_null(value: Value<'_, '_>) -> bool {
    value.text().starts_with('n')
}

fn object<'s, 'a>(value: Value<'s, 'a>) -> Read<Option<Object<'s, 'a>>> {
    if is_null(value) {
        return Ok(None);
    }
    if !value.text().starts_with('{') {
        return Err(wrong("an object", value));
    }
    let object = Object(Some(value));
    for (name, _) in object.fields().filter(|(name, _)| name.escaped()) {
        key_text(name)?;
    }
    Ok(Some(object))
}

/// Whether a key says `name` in any case.
fn named(key: Value<'_, '_>, name: &str) -> bool {
    if key.escaped() {
        return decoded(key).is_ok_and(|key| key.eq_ignore_ascii_case(name));
    }
    key.says(name)
}

/// What a text in quotation marks says, borrowed unless it holds an escape.
fn decoded<'a>(quoted: Value<'_, 'a>) -> Result<Cow<'a, str>, serde_json::Error> {
    let text = quoted.text();
    match text.get(1..text.len().saturating_sub(1)) {
        Some(plain) if !quoted.escaped() => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(text).map(|Key(text)| text),
    }
}

/// A key of an object.
fn key_text<'a>(quoted: Value<'_, 'a>) -> Read<Cow<'a, str>> {
    decoded(quoted).map_err(|error| Invalid::new("", format!("not JSON: {error}")))
}

fn wrong(expected: &str, value: Value<'_, '_>) -> Invalid {
    let shown = excerpt(value.text(), SHOWN);
    Invalid::new("", format!("has to be {expected}, is {shown}"))
}

/// A text, borrowed unless it holds an escape.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
