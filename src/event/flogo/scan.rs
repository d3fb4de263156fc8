//! A JSON text that is known to be one, taken apart level by level. Nothing is checked again: a step's
//! values lie five levels deep, and a parser would read the innermost ones as often.

/// The parts of an object or an array: key, value, key, value, or the elements. Each is the text of a
/// value without blanks around it.
pub(super) fn parts(text: &str) -> Parts<'_> {
    Parts { text, at: 1 }
}

/// See [`parts`].
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':');
        let begin = self.at
            + bytes
                .get(self.at..)?
                .iter()
                .position(|byte| !between(byte))?;
        if matches!(bytes[begin], b'}' | b']') {
            return None;
        }
        self.at = end(bytes, begin);
        self.text.get(begin..self.at)
    }
}

/// Whether a byte opens or closes something, or begins a text.
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let mut at = 0;
    while at < BYTES.len() {
        marks[BYTES[at] as usize] = true;
        at += 1;
    }
    marks
};
const BYTES: &[u8] = b"\"{}[]";

/// Position behind the value that begins at `begin`.
fn end(bytes: &[u8], begin: usize) -> usize {
    match bytes[begin] {
        b'"' => string_end(bytes, begin),
        b'{' | b'[' => container_end(bytes, begin),
        _ => {
            let ends =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            let rest = &bytes[begin..];
            begin + rest.iter().position(ends).unwrap_or(rest.len())
        }
    }
}

fn container_end(bytes: &[u8], begin: usize) -> usize {
    let (mut at, mut depth) = (begin, 0_usize);
    while let Some(found) = position(bytes, at, |byte| MARKS[usize::from(byte)]) {
        at = match bytes[found] {
            b'"' => string_end(bytes, found),
            b'{' | b'[' => {
                depth += 1;
                found + 1
            }
            _ if depth == 1 => return found + 1,
            _ => {
                depth -= 1;
                found + 1
            }
        };
    }
    bytes.len()
}

/// Position behind the text whose first quotation mark is at `begin`.
fn string_end(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(found) = position(bytes, at, |byte| byte == b'"' || byte == b'\\') {
        if bytes[found] == b'"' {
            return found + 1;
        }
        at = found + 2;
    }
    bytes.len()
}

fn position(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let found = bytes.get(from..)?.iter().position(|byte| wanted(*byte))?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_object_and_an_array_have_their_parts() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(parts(text).collect::<Vec<_>>(), expected, "{text}");
        };
        check("{}", &[]);
        check("[ ]", &[]);
        check(
            r#"{ "a" : 1 ,"b":[2,{"c":"}"}] }"#,
            &["\"a\"", "1", "\"b\"", r#"[2,{"c":"}"}]"#],
        );
        check(
            r#"["\"]",-1e5,null,"é\\"]"#,
            &[r#""\"]""#, "-1e5", "null", r#""é\\""#],
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_parts_are_those_that_a_parser_finds(values in prop::collection::vec(value(), 0..6), pretty: bool) {
            let whole = Value::from(values.clone());
            let text = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) };
            let text = text.expect("JSON");
            let found: Vec<Value> = parts(&text).map(|part| serde_json::from_str(part).expect("JSON")).collect();
            prop_assert_eq!(found, values);
        }

        #[test]
        fn what_is_no_json_makes_no_panic(text: String) {
            for text in [text.clone(), format!("{{{text}"), format!("[\"{text}")] {
                prop_assert!(parts(&text).count() <= text.len());
            }
        }
    }
}
