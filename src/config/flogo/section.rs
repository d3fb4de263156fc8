//! A JSON object whose keys are taken one by one; what is left at the end is not known.

use serde_json::{Map, Value};

/// Keys of an object and where it stands.
pub(super) struct Section {
    /// `persistence.`, or nothing at the top.
    prefix: &'static str,
    keys: Map<String, Value>,
}

impl Section {
    pub(super) fn new(prefix: &'static str, keys: Map<String, Value>) -> Self {
        Self { prefix, keys }
    }

    /// The key with its place.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.keys.remove(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, found: &Value, wanted: &str) -> String {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        format!("{} is {found}; it must be {wanted}", self.name(key))
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.contains('\0') => {
                Err(format!("{} holds a NUL; take it out", self.name(key)))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, &other, "a text")),
        }
    }

    /// A whole number, as a number or as a text; an empty text is none.
    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<i64>, String> {
        let number = match self.take(key) {
            None => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(Value::Number(number)) => number.as_i64(),
            Some(other) => return Err(self.wrong(key, &other, "a number")),
        };
        let wrong = || format!("{} must be a whole number", self.name(key));
        number.ok_or_else(wrong).map(Some)
    }

    /// A port.
    pub(super) fn port(&mut self, key: &'static str) -> Result<Option<u16>, String> {
        let wrong = |name: String| format!("{name} must be a number from 1 to 65535");
        match self.number(key).map(|number| number.map(u16::try_from)) {
            Ok(None) => Ok(None),
            Ok(Some(Ok(port))) if port > 0 => Ok(Some(port)),
            Ok(Some(_)) | Err(_) => Err(wrong(self.name(key))),
        }
    }

    /// True or false, as such or as a text; false when it is not there.
    pub(super) fn truth(&mut self, key: &'static str) -> Result<bool, String> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(truth),
            Some(Value::String(text)) => match &text.to_ascii_lowercase()[..] {
                "true" => Ok(true),
                "false" | "" => Ok(false),
                _ => Err(self.wrong(key, &Value::String(text), "true or false")),
            },
            Some(other) => Err(self.wrong(key, &other, "true or false")),
        }
    }

    /// An object.
    pub(super) fn section(&mut self, key: &'static str) -> Result<Option<Section>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(keys)) => Ok(Some(Section::new("persistence.", keys))),
            Some(other) => Err(self.wrong(key, &other, "an object")),
        }
    }

    /// Takes keys whatever they say; answers with those that say something.
    pub(super) fn pass(&mut self, keys: &[&str]) -> Vec<String> {
        let says = |value: &Value| !value.is_null() && value.as_str() != Some("");
        let mut passed = Vec::new();
        for key in keys {
            if self.keys.remove(*key).is_some_and(|value| says(&value)) {
                passed.push(self.name(key));
            }
        }
        passed
    }

    /// Takes all keys.
    pub(super) fn pass_all(&mut self) {
        self.keys.clear();
    }

    /// The keys that nobody took, with their place.
    pub(super) fn rest(self) -> Vec<String> {
        self.keys.keys().map(|key| self.name(key)).collect()
    }
}
