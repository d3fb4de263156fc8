//! Times as PostgreSQL stores them: microseconds, UTC, no zone.

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
