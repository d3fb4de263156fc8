//! What callers and operators write: places in lists, and where the database is.

use flowtrail::{
    pg::{self, Options},
    query::Cursor,
};
use proptest::{prelude::*, test_runner::TestCaseError};

use super::{fuzz, sentence};

/// A place in a list is one that was given out, or refused.
fn cursor(bytes: &[u8]) -> Result<(), TestCaseError> {
    let text = String::from_utf8_lossy(bytes);
    match Cursor::decode(&text) {
        Ok(cursor) => prop_assert_eq!(cursor.encode(), text),
        Err(error) => {
            let said = error.to_string();
            sentence(&said)?;
            prop_assert!(said.starts_with("page "), "{said}");
            prop_assert!(said.contains("next_page"), "{said}");
        }
    }
    Ok(())
}

#[test]
fn any_text_is_a_place_in_a_list_or_is_refused() {
    let words = &[
        "AQ",
        "AQACaLzpPcAAaTE",
        "_",
        "-",
        "=",
        "==",
        "+",
        "/",
        "A",
        "AAAAAAAAAAAA",
        " ",
        "ü",
    ];
    fuzz("cursor", Vec::new(), words, cursor);
}

/// Stands in passwords only.
const SECRET: &str = "hunter2";

/// A database is understood, or the word that is not is named; its password is nowhere to be seen.
fn options(bytes: &[u8]) -> Result<(), TestCaseError> {
    let text = String::from_utf8_lossy(bytes);
    // a file to read may be any, also one without an end
    if text.contains("passfile") {
        return Ok(());
    }
    match text.parse::<Options>() {
        Ok(options) => {
            prop_assert!(!options.targets().is_empty());
            let hosts = text.matches(',').count() + 1;
            prop_assert!(options.targets().len() <= hosts);
            prop_assert!(options.describe().len() <= 2 * text.len() + 200 + 40 * hosts);
        }
        Err(error) => {
            prop_assert!(matches!(error, pg::Error::Url(_)), "{error:?}");
            sentence(&error.to_string())?;
        }
    }
    Ok(())
}

const WORDS: &[&str] = &[
    "postgresql://",
    "postgres://",
    "://",
    "@",
    ":",
    "/",
    "?",
    "&",
    "=",
    ",",
    "%",
    "%2f",
    "%00",
    "%zz",
    "'",
    "\\",
    " ",
    "[::1]",
    "host=",
    "hostaddr=",
    "port=5432,",
    "port=99999999999",
    "user=",
    "dbname=",
    "password=",
    "sslmode=verify-full",
    "sslrootcert=system",
    "connect_timeout=-1",
    "target_session_attrs=primary",
    "keepalives_count=4294967296",
    "tcp_user_timeout=",
    "options=-c",
];

#[test]
fn any_text_is_a_database_or_is_refused() {
    fuzz("options", Vec::new(), WORDS, options);
}

/// Percent-encoded as a URL wants it.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(letter).collect()
}

/// Quoted as a value wants it.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{escaped}'")
}

fn word() -> impl Strategy<Value = String> {
    let letter = any::<char>().prop_filter("NUL", |c| *c != '\0');
    prop::collection::vec(letter, 1..20).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn what_is_written_by_the_rules_is_understood_and_keeps_its_secret(
        user in word(), dbname in word(), before in "[^\0]{0,5}", port in 1..=u16::MAX,
        host in "[a-z][a-z0-9.-]{0,30}",
    ) {
        let password = format!("{before}{SECRET}");
        let url = format!(
            "postgresql://{}:{}@{host}:{port}/{}",
            encoded(&user), encoded(&password), encoded(&dbname)
        );
        let pairs = format!(
            "host={host} port={port} user={} password={} dbname={}",
            quoted(&user), quoted(&password), quoted(&dbname)
        );
        for text in [url, pairs] {
            let options: Options = text.parse().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
            let described = format!("{host}:{port}/{dbname} as {user}");
            prop_assert_eq!(options.describe(), described);
            prop_assert!(!format!("{options:?}").contains(SECRET), "{options:?}");
        }
    }

    #[test]
    fn a_refusal_never_shows_a_piece_of_the_text(
        begin in prop::sample::select(&["postgresql://u:", "password=", "host=h password='", ""][..]),
        junk in "[ -~]{0,10}", more in "[ -~]{0,10}",
        end in prop::sample::select(&["@h/d", " port=x", "' sslmode=maybe", "?port=x&host=a,b", ""][..]),
    ) {
        let text = format!("{begin}{junk}{SECRET}{more}{end}");
        if let Err(error) = text.parse::<Options>() {
            let said = format!("{error} {error:?}");
            // a word in front of a `=` may be named: nobody's password is one
            let named = format!("`{SECRET}");
            prop_assert!(!said.replace(&named, "").contains(SECRET), "{text}: {said}");
        }
    }
}
