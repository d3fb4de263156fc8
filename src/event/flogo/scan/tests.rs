use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

fn parts(text: &str) -> Vec<&str> {
    let scan = scan(text).expect("JSON");
    let inside = scan.value().inside();
    inside.map(Value::text).collect()
}

#[test]
fn an_object_and_an_array_have_their_parts() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(parts(text), expected, "{text}");
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

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u00e9",
        "\\ud8",
        "\\n",
        "\\x",
        "\n",
        "\t",
        "\u{1}",
        "\u{1f}",
        "\u{7f}",
        "é",
        " ",
        "0",
        "1",
        "-",
        "-0",
        "01",
        ".",
        ".5",
        "e",
        "E+1",
        "e-",
        "1e400",
        "+",
        "t",
        "true",
        "nul",
        "null",
        "false",
        "\"\"",
        "{}",
        "[]",
        "\"a\":",
        ",,",
        "eight plain letters and more",
        "\u{feff}",
        "\0",
    ])
}

proptest! {
    #[test]
    fn the_parts_are_those_that_a_parser_finds(values in prop::collection::vec(value(), 0..6), pretty: bool) {
        let whole = Json::from(values.clone());
        let text = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) };
        let text = text.expect("JSON");
        let found: Vec<Json> = parts(&text).into_iter().map(|part| serde_json::from_str(part).expect("JSON")).collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn json_is_what_a_parser_takes(value in value(), pieces in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, piece()), 0..3)) {
        let mut text = serde_json::to_string(&value).expect("JSON");
        for (at, change, piece) in pieces {
            let at = text.floor_char_boundary(at.index(text.len() + 1));
            let end = if change == 0 { at } else { text.ceil_char_boundary((at + 1).min(text.len())) };
            text.replace_range(at..end, if change == 1 { "" } else { piece });
        }
        let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(scan(&text).is_some(), parsed.is_ok(), "{}", text);
    }
}
