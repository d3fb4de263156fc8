//! Times and sizes with their units.

use std::time::Duration;

/// A time with its unit: `500ms`, `2s`, `1m 30s`.
///
/// # Errors
/// One sentence when the text is not such a time or is negative.
pub fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| format!("`{text}` is not a time; write it like 500ms, 2s or 1m"))
}

/// A size in bytes: `65536`, `64KiB`, `256MiB`, `1GiB`.
///
/// # Errors
/// One sentence when the text is not such a size, is zero or is over 1 TiB.
pub fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: usize = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => 0,
    };
    digits
        .trim_end()
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .filter(|n| (1..=1 << 40).contains(n))
        .ok_or_else(|| {
            format!("`{text}` is not a size; write it like 65536, 64KiB, 256MiB or 1GiB")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        let check =
            |text, expected: Option<usize>| assert_eq!(bytes(text).ok(), expected, "{text}");
        check("65536", Some(65_536));
        check("64KiB", Some(65_536));
        check("1 MiB", Some(1 << 20));
        check("0", None);
        check("1MB", None);
        check("-1", None);
        check("", None);
    }

    #[test]
    fn times_have_units() {
        let check = |text, expected: Option<u64>| {
            assert_eq!(
                duration(text).ok(),
                expected.map(Duration::from_millis),
                "{text}"
            );
        };
        check("500ms", Some(500));
        check("1m 30s", Some(90_000));
        check("0s", Some(0));
        check("5", None);
        check("-1s", None);
    }
}
