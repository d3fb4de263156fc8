//! JSON objects read field by field, each failure named.

use std::{borrow::Cow, collections::BTreeMap};

use litemap::LiteMap;
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

/// A field by its name, and what it says unless that is `null` or was not sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'s, 'a> {
    name: &'static str,
    value: Option<Value<'s, 'a>>,
}

impl<'s, 'a> Object<'s, 'a> {
    /// What a body says; `null` is the object without fields, as it is for Go.
    pub(super) fn of(body: &'s Scan<'a>) -> Read<Self> {
        Ok(object(body.value())?.unwrap_or_default())
    }

    /// Keys and values in the order in which they came.
    fn entries(self) -> impl Iterator<Item = (Value<'s, 'a>, Value<'s, 'a>)> {
        let mut inside = self.0.map(Value::inside);
        std::iter::from_fn(move || {
            let inside = inside.as_mut()?;
            Some((inside.next()?, inside.next()?))
        })
    }

    /// The fields of these names in any case, the last of a name that is not `null`, as Go decodes.
    /// One pass over the object, which finds names at once when they come in the order in which
    /// engines write them.
    pub(super) fn fields<const N: usize>(
        self,
        names: [&'static str; N],
    ) -> Read<[Field<'s, 'a>; N]> {
        let mut fields = names.map(|name| Field { name, value: None });
        let mut expected = 0;
        for (key, value) in self.entries() {
            if key.escaped() {
                key_text(key)?;
            }
            let is_expected = names.get(expected).is_some_and(|name| named(key, name));
            let other = || names.iter().position(|name| named(key, name));
            let Some(at) = is_expected.then_some(expected).or_else(other) else {
                continue;
            };
            expected = at + 1;
            if !is_null(value) {
                fields[at].value = Some(value);
            }
        }
        Ok(fields)
    }
}

impl<'s, 'a> Field<'s, 'a> {
    fn read<T>(self, read: impl FnOnce(Value<'s, 'a>) -> Read<T>) -> Read<Option<T>> {
        match self.value.map(read) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(error)) => Err(error.under(self.name)),
        }
    }

    /// A text; empty when it was not sent.
    pub(super) fn text(self) -> Read<String> {
        self.word().map(Cow::into_owned)
    }

    /// As [`Field::text`], borrowed unless it holds an escape.
    pub(super) fn word(self) -> Read<Cow<'a, str>> {
        let text = self.read(|value| {
            if value.first() != b'"' {
                return Err(wrong("a text", value));
            }
            decoded(value).map_err(|error| Invalid::new("", format!("not a text: {error}")))
        })?;
        Ok(text.unwrap_or_default())
    }

    /// A whole number; 0 when it was not sent.
    pub(super) fn integer(self) -> Read<i64> {
        let number = self.read(|value| {
            let number = value.text().parse();
            number.map_err(|_| wrong("a whole number of 64 bits", value))
        })?;
        Ok(number.unwrap_or_default())
    }

    /// A whole number that is counted: 0 when it was not sent.
    pub(super) fn count(self) -> Read<i32> {
        let number = self.integer()?;
        i32::try_from(number)
            .ok()
            .filter(|number| *number >= 0)
            .ok_or_else(|| {
                let problem = format!("has to be 0 to {}, is {number}", i32::MAX);
                Invalid::new(self.name, problem)
            })
    }

    /// True or false; false when it was not sent.
    pub(super) fn flag(self) -> Read<bool> {
        let flag = self.read(|value| {
            let flag = value.text().parse();
            flag.map_err(|_| wrong("true or false", value))
        })?;
        Ok(flag.unwrap_or_default())
    }

    /// A time; Go's zero time when it was not sent.
    pub(super) fn time(self) -> Read<Time> {
        let time = self.read(|value| {
            let text = (value.first() == b'"').then(|| decoded(value).ok());
            text.flatten()
                .and_then(|text| Time::parse(&text))
                .ok_or_else(|| wrong("a time in RFC 3339", value))
        })?;
        Ok(time.unwrap_or(Time::ZERO))
    }

    /// A free-form object, as it came; none when it is `null` or was not sent.
    pub(super) fn payload(self) -> Read<Option<&'a str>> {
        self.read(|value| match value.first() {
            b'{' => Ok(value.text()),
            _ => Err(wrong("an object or null", value)),
        })
    }

    /// An object whose keys are texts, each value read by `read`, which sees `None` for `null`; the
    /// last of equal keys stays.
    pub(super) fn map<T>(
        self,
        read: impl Fn(Option<Object<'s, 'a>>) -> Read<T>,
    ) -> Read<LiteMap<Cow<'a, str>, T>> {
        self.each(read, Some)
    }

    /// As [`Field::map`], with keys that are whole numbers in quotes.
    pub(super) fn numbered<T>(
        self,
        read: impl Fn(Option<Object<'s, 'a>>) -> Read<T>,
    ) -> Read<LiteMap<i64, T>> {
        let mut wrong = None;
        let entries = self.each(read, |name| {
            let number = name.parse().ok();
            if number.is_none() {
                wrong.get_or_insert(name);
            }
            number
        })?;
        match wrong {
            None => Ok(entries),
            Some(name) => Err(Invalid::new(
                format!("{}.{}", self.name, excerpt(&name, SHOWN)),
                "the key has to be a whole number in quotes",
            )),
        }
    }

    /// The values of an object by what `key` makes of their names, without those that it makes
    /// nothing of.
    fn each<K: Ord, T>(
        self,
        read: impl Fn(Option<Object<'s, 'a>>) -> Read<T>,
        mut key: impl FnMut(Cow<'a, str>) -> Option<K>,
    ) -> Read<LiteMap<K, T>> {
        let each = self.read(|value| {
            let entries = object(value)?.unwrap_or_default().entries();
            let entries = entries.map(|(name, value)| {
                let name = key_text(name)?;
                let value = object(value).and_then(&read);
                let value = value.map_err(|error| error.under(&name))?;
                Ok(key(name).map(|key| (key, value)))
            });
            entries.filter_map(Result::transpose).collect()
        });
        each.map(Option::unwrap_or_default)
    }

    /// An array, each element read by `read`, which sees no fields where it is `null`.
    pub(super) fn list<T>(self, read: impl Fn(Object<'s, 'a>) -> Read<T>) -> Read<Vec<T>> {
        let elements = self.read(|value| {
            if value.first() != b'[' {
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
    for (name, value) in Object::of(&payload)?.entries() {
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
    value.first() == b'n'
}

fn object<'s, 'a>(value: Value<'s, 'a>) -> Read<Option<Object<'s, 'a>>> {
    if is_null(value) {
        return Ok(None);
    }
    if value.first() != b'{' {
        return Err(wrong("an object", value));
    }
    Ok(Some(Object(Some(value))))
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
