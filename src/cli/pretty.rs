//! JSON made readable without reading it: numbers, the order of keys and every character of a text
//! stay as they were recorded.

use serde::de::IgnoredAny;

/// `text` with line ends and indents, if it is JSON; as it is if not.
#[must_use]
pub fn pretty(text: &[u8]) -> Vec<u8> {
    if serde_json::from_slice::<IgnoredAny>(text).is_err() {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len() * 2);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let end = end_of_text(text, at);
                out.extend_from_slice(&text[at - 1..end]);
                at = end;
            }
            b'{' | b'[' => {
                out.push(byte);
                let blanks = text[at..].iter().take_while(|b| b.is_ascii_whitespace());
                at += blanks.count();
                if let Some(close @ (b'}' | b']')) = text.get(at) {
                    out.push(*close);
                    at += 1;
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            byte if byte.is_ascii_whitespace() => {}
            byte => out.push(byte),
        }
    }
    out
}

/// Where a text ends that begins before `at`: behind its closing quote.
fn end_of_text(text: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&pretty(text.as_bytes())), expected);
    }

    #[test]
    fn tokens_stay_as_they_are() {
        check(
            r#" {"b": 12345678901234567890.10, "a" :["x, y: {z\" \\", {}, [ ]]}"#,
            "{\n  \"b\": 12345678901234567890.10,\n  \"a\": [\n    \"x, y: {z\\\" \\\\\",\n    {},\n    []\n  ]\n}",
        );
        check("null", "null");
        check("not { json", "not { json");
        check("", "");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_serde_would_write(value in values()) {
            let compact = serde_json::to_vec(&value).expect("JSON");
            let expected = serde_json::to_string_pretty(&value).expect("JSON");
            prop_assert_eq!(pretty(&compact), expected.into_bytes());
        }
    }
}
