//! Times as PostgreSQL stores them: microseconds, UTC, no zone.

use std::fmt;

use super::{Invalid, Reason};

/// Microseconds since 2000-01-01 00:00:00 UTC, the epoch of PostgreSQL's `timestamp`, and inside
/// its range (4714-11-24 BC up to 294276-12-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(i64);

/// 2000-01-01 in seconds since 1970-01-01.
const EPOCH_SECONDS: i64 = 946_684_800;
/// `MIN_TIMESTAMP` and `END_TIMESTAMP` of PostgreSQL's `datatype/timestamp.h`; the end is exclusive.
const RANGE: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

impl Micros {
    /// The time `seconds` and `nanos` after 1970-01-01 UTC, rounded to microseconds with ties to
    /// even, as PostgreSQL rounds what it reads (contract 5.2).
    ///
    /// # Errors
    /// [`Reason::InvalidTime`] when `nanos` is not within a second or the time is outside
    /// PostgreSQL's range.
    pub fn from_unix(field: &'static str, seconds: i64, nanos: i64) -> Result<Self, Invalid> {
        if !(0..1_000_000_000).contains(&nanos) {
            return Err(Invalid::new(
                Reason::InvalidTime,
                format!("{field} has {nanos} nanos; send 0 to 999999999"),
            ));
        }
        let mut micros = nanos / 1_000;
        let rest = nanos % 1_000;
        if rest > 500 || (rest == 500 && micros % 2 == 1) {
            micros += 1;
        }
        seconds
            .checked_sub(EPOCH_SECONDS)
            .and_then(|seconds| seconds.checked_mul(1_000_000))
            .and_then(|whole| whole.checked_add(micros))
            .filter(|time| RANGE.contains(time))
            .map(Self)
            .ok_or_else(|| {
                Invalid::new(
                    Reason::InvalidTime,
                    format!("{field} is outside PostgreSQL's range, 4714 BC to 294276 AD"),
                )
            })
    }

    /// Microseconds since 2000-01-01 UTC, as binary COPY wants them.
    pub fn since_2000(self) -> i64 {
        self.0
    }

    /// A time that PostgreSQL has stored, as its binary format tells it; none for its infinities.
    pub fn stored(micros: i64) -> Option<Self> {
        RANGE.contains(&micros).then_some(Self(micros))
    }

    /// Seconds since 1970-01-01 UTC and nanoseconds after that second.
    pub fn unix(self) -> (i64, i32) {
        let seconds = self.0.div_euclid(1_000_000) + EPOCH_SECONDS;
        let micros = i32::try_from(self.0.rem_euclid(1_000_000)).unwrap_or_default();
        (seconds, micros * 1_000)
    }
}

/// RFC 3339 in UTC with as many digits of the second as are not zero, as Go writes it.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = self.unix();
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if nanos != 0 {
            let digits = format!("{:06}", nanos / 1_000);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// The date that is `days` after 1970-01-01, counted from March of the year 0 in eras of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_round_to_even_microseconds() {
        let check = |nanos, micros| {
            let time = Micros::from_unix("start_time", EPOCH_SECONDS, nanos);
            assert_eq!(time.map(Micros::since_2000), Ok(micros), "{nanos}");
        };
        check(823_164_587, 823_165);
        check(823_164_500, 823_164);
        check(823_165_500, 823_166);
        check(823_165_499, 823_165);
        check(999_999_500, 1_000_000);
        check(0, 0);
    }

    #[test]
    fn a_time_before_the_epoch_rounds_the_same_way() {
        let time = Micros::from_unix("start_time", EPOCH_SECONDS - 1, 999_999_500);
        assert_eq!(time.map(Micros::since_2000), Ok(0));
        let time = Micros::from_unix("start_time", EPOCH_SECONDS - 1, 999_998_500);
        assert_eq!(time.map(Micros::since_2000), Ok(-2));
    }

    #[test]
    fn a_time_is_written_as_go_writes_it() {
        let check = |seconds, nanos, expected: &str| {
            let time = Micros::from_unix("t", seconds, nanos).expect("a time");
            assert_eq!(time.to_string(), expected);
            assert_eq!(Micros::stored(time.since_2000()), Some(time));
            assert_eq!(time.unix(), (seconds, i32::try_from(nanos).expect("nanos")));
        };
        check(1_795_201_236, 763_251_000, "2026-11-20T19:00:36.763251Z");
        check(1_795_201_236, 700_000_000, "2026-11-20T19:00:36.7Z");
        check(951_782_400, 0, "2000-02-29T00:00:00Z");
        check(-62_135_596_800, 0, "0001-01-01T00:00:00Z");
        check(-1, 999_999_000, "1969-12-31T23:59:59.999999Z");
        assert_eq!(Micros::stored(i64::MAX), None);
    }

    #[test]
    fn the_range_is_postgresqls() {
        let first = RANGE.start / 1_000_000 + EPOCH_SECONDS;
        let end = RANGE.end / 1_000_000 + EPOCH_SECONDS;
        assert!(Micros::from_unix("t", first, 0).is_ok());
        assert!(Micros::from_unix("t", first - 1, 999_999_000).is_err());
        assert!(Micros::from_unix("t", end - 1, 999_999_000).is_ok());
        assert!(Micros::from_unix("t", end - 1, 999_999_999).is_err());
        assert!(Micros::from_unix("t", i64::MAX, 0).is_err());
        assert!(Micros::from_unix("t", i64::MIN, 0).is_err());
        assert!(Micros::from_unix("t", 0, -1).is_err());
        assert!(Micros::from_unix("t", 0, 1_000_000_000).is_err());
    }
}
