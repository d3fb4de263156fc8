//! Times as Go writes them.

use jiff::civil::Date;

/// A moment in UTC, in nanoseconds, as far from the year 1970 as Go's times go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds since 1970-01-01T00:00:00Z, negative before.
    pub seconds: i64,
    /// Nanoseconds after that second, 0 to 999,999,999.
    pub nanos: i32,
}

impl Time {
    /// Go's zero time, 0001-01-01T00:00:00Z: what a time is that was not sent.
    pub const ZERO: Self = Self {
        seconds: -62_135_596_800,
        nanos: 0,
    };

    /// Whether this is a time that was not sent.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// RFC 3339 as Go takes it: an upper-case `T` and `Z`, no leap second, up to nine digits of
    /// the second and any offset.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = bytes.get(from..to)?;
            digits.iter().all(u8::is_ascii_digit).then(|| {
                digits
                    .iter()
                    .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
            })
        };
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if marks.iter().any(|&(at, mark)| bytes.get(at) != Some(&mark)) {
            return None;
        }
        let date = Date::new(
            i16::try_from(number(0, 4)?).ok()?,
            i8::try_from(number(5, 7)?).ok()?,
            i8::try_from(number(8, 10)?).ok()?,
        )
        .ok()?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }

        let mut at = 19;
        let mut nanos = 0;
        if bytes.get(at) == Some(&b'.') {
            let length = bytes[at + 1..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if !(1..=9).contains(&length) {
                return None;
            }
            let missing = u32::try_from(9 - length).ok()?;
            nanos = number(at + 1, at + 1 + length)? * 10_i64.pow(missing);
            at += 1 + length;
        }
        let offset = match (bytes.get(at)?, bytes.len() - at) {
            (b'Z', 1) => 0,
            (sign @ (b'+' | b'-'), 6) if bytes[at + 3] == b':' => {
                let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let offset = hours * 3_600 + minutes * 60;
                if *sign == b'-' { -offset } else { offset }
            }
            _ => return None,
        };

        let days = date.duration_since(Date::constant(1970, 1, 1)).as_secs();
        Some(Self {
            seconds: days + hour * 3_600 + minute * 60 + second - offset,
            nanos: i32::try_from(nanos).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_what_go_takes() {
        let check = |text: &str, expected: Option<(i64, i32)>| {
            let time = Time::parse(text).map(|time| (time.seconds, time.nanos));
            assert_eq!(time, expected, "{text}");
        };
        check("1970-01-01T00:00:00Z", Some((0, 0)));
        check(
            "2026-11-20T19:57:51.1708466Z",
            Some((1_795_204_671, 170_846_600)),
        );
        check(
            "2026-11-21T01:27:51.170846612+05:30",
            Some((1_795_204_671, 170_846_612)),
        );
        check(
            "2026-11-20T16:57:51.5-03:00",
            Some((1_795_204_671, 500_000_000)),
        );
        check("1969-12-31T23:59:59.9Z", Some((-1, 900_000_000)));
        check("0001-01-01T00:00:00Z", Some((Time::ZERO.seconds, 0)));
        check("9999-12-31T23:59:59Z", Some((253_402_300_799, 0)));
        check("2024-02-29T00:00:00Z", Some((1_709_164_800, 0)));
        for wrong in [
            "",
            "2026-11-20",
            "2026-11-20 19:57:51Z",
            "2026-11-20t19:57:51Z",
            "2026-11-20T19:57:51z",
            "2026-11-20T19:57:51",
            "2026-11-20T19:57:51.Z",
            "2026-11-20T19:57:51,5Z",
            "2026-11-20T19:57:51.1234567890Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T19:57:60Z",
            "2026-02-29T00:00:00Z",
            "2026-11-20T19:57:51+0530",
            "2026-11-20T19:57:51+24:00",
            "2026-11-20T19:57:51Z ",
            "+026-11-20T19:57:51Z",
            "2026-11-20T19:57:5é",
        ] {
            check(wrong, None);
        }
    }
}
