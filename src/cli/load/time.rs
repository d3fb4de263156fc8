//! Times of events, as numbers and as text.

use std::{
    cell::RefCell,
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use jiff::Timestamp;

/// A moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Self {
        Self(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    pub(super) fn later(self, by: Duration) -> Self {
        Self(self.0 + by)
    }

    pub(super) fn stamp(self) -> prost_types::Timestamp {
        prost_types::Timestamp {
            seconds: self.seconds(),
            nanos: i32::try_from(self.0.subsec_nanos()).expect("below a second"),
        }
    }

    /// Writes it as RFC 3339 with nine digits of the second.
    pub(super) fn write(self, out: &mut BytesMut) {
        thread_local! {
            // Events come in the order of their times: a second is put into words once.
            static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
        }
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != self.seconds() {
                *second = self.seconds();
                let at = Timestamp::from_second(*second).unwrap_or_default();
                *text = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            }
            out.extend_from_slice(text.as_bytes());
        });
        write!(out, ".{:09}Z", self.0.subsec_nanos()).expect("memory takes everything");
    }

    fn seconds(self) -> i64 {
        i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_engines_write_it() {
        let mut text = BytesMut::new();
        let moment = Moment(Duration::new(1_800_000_000, 70_000_001));
        moment.write(&mut text);
        moment.later(Duration::from_secs(1)).write(&mut text);
        let expected = "2027-01-15T08:00:00.070000001Z2027-01-15T08:00:01.070000001Z";
        assert_eq!(String::from_utf8_lossy(&text), expected);
    }
}
