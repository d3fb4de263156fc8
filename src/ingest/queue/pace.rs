//! How short the batches of a lane are while apps share it: so short that they are written in
//! [`LONG`], unless shorter ones would take as long.

use std::time::Duration;

/// Into how many batches what would be one is cut, at least and at most.
const LEAST: usize = 4;
const MOST: usize = 64;
/// A batch that takes longer is too long; one that takes a third of it may be longer.
const LONG: Duration = Duration::from_millis(60);
/// Batches for which nothing shorter is tried after that did not pay: where a commit takes long
/// whatever is in it, short batches only cost throughput.
const CONTENT: u32 = 50;

#[derive(Debug)]
pub(super) struct Pace {
    cut: usize,
    /// How long a batch took before they were made shorter.
    before: Option<Duration>,
    content: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            cut: LEAST,
            before: None,
            content: 0,
        }
    }
}

impl Pace {
    /// Into how many batches what would be one is cut.
    pub fn cut(&self) -> usize {
        self.cut
    }

    /// A batch was written in `time`.
    pub fn took(&mut self, time: Duration) {
        let before = self.before.take();
        if before.is_some_and(|before| time > before * 3 / 4) {
            self.cut /= 2;
            self.content = CONTENT;
        } else if time > LONG && self.cut < MOST && self.content == 0 {
            self.cut *= 2;
            self.before = Some(time);
        } else if time < LONG / 3 && self.cut > LEAST {
            self.cut /= 2;
        }
        self.content = self.content.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What batches of `rows` in all are cut into in the end, and how often each cut was used, when
    /// a commit takes `fixed` and `each` for a row, in µs.
    fn settle(pace: &mut Pace, rows: usize, fixed: u64, each: u64) -> Vec<usize> {
        let mut cuts = Vec::new();
        for _ in 0..500 {
            cuts.push(pace.cut());
            let rows = u64::try_from(rows / pace.cut()).expect("small");
            pace.took(Duration::from_micros(fixed + each * rows));
        }
        cuts
    }

    #[test]
    fn batches_become_as_short_as_the_database_is_slow() {
        let mut pace = Pace::default();
        // 2,500 rows in 40 ms: a quarter is short enough
        assert_eq!(settle(&mut pace, 10_000, 2_000, 15).last(), Some(&4));
        // ten times slower: 312 rows in 52 ms
        assert_eq!(settle(&mut pace, 10_000, 5_000, 150).last(), Some(&32));
        assert_eq!(settle(&mut pace, 10_000, 2_000, 15).last(), Some(&8));
        assert_eq!(settle(&mut pace, 10_000, 1_000, 1).last(), Some(&4));
    }

    #[test]
    fn where_commits_are_slow_whatever_is_in_them_batches_stay_long() {
        let cuts = settle(&mut Pace::default(), 10_000, 200_000, 5);
        let long = cuts.iter().filter(|cut| **cut == LEAST).count();
        assert!(long > 480, "{long} of 500");
    }
}
