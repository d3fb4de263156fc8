//! What is not taken, counted by reason and said in the log with its app: once a second at most,
//! as a client that is wrong is usually wrong all the time.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Duration, Instant};

use super::metrics::Metrics;

/// How often a line is written.
const EVERY: Duration = Duration::from_secs(1);

/// Cheap handle; clones share one pace.
#[derive(Clone, Debug)]
pub struct Refusals {
    metrics: Metrics,
    pace: Arc<Mutex<Pace>>,
}

#[derive(Debug, Default)]
struct Pace {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Refusals {
    /// Counts into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            pace: Arc::default(),
        }
    }

    /// A stream, chunk or posted event of `app` was refused.
    pub fn refused(&self, reason: &'static str, app: &str, sentence: &str) {
        self.metrics.refused(reason);
        if let Some(unsaid) = self.due() {
            tracing::warn!(app, reason, unsaid, "refused: {sentence}");
        }
    }

    /// Events of a chunk of `app` were rejected, the first one for what `sentence` says.
    pub fn rejected(&self, events: usize, app: &str, sentence: &str) {
        if let Some(unsaid) = self.due() {
            tracing::warn!(app, events, unsaid, "rejected: {sentence}");
        }
    }

    /// Whether a line may be written now; holds how many were not since the last one.
    fn due(&self) -> Option<u64> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if pace.said_at.is_some_and(|said| said.elapsed() < EVERY) {
            pace.unsaid += 1;
            return None;
        }
        pace.said_at = Some(Instant::now());
        Some(std::mem::take(&mut pace.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::ingest::{lane::Standing, queue::queue};

    #[tokio::test(start_paused = true)]
    async fn a_line_is_written_once_a_second_and_counts_the_others() {
        let (intake, _lanes) = queue(1, 1);
        let standing = Arc::new(Standing::new(1));
        let metrics = Metrics::register(&mut Registry::default(), &intake, standing);
        let refusals = Refusals::new(metrics);
        assert_eq!(refusals.due(), Some(0));
        assert_eq!(refusals.due(), None);
        assert_eq!(refusals.clone().due(), None);
        tokio::time::advance(EVERY).await;
        assert_eq!(refusals.due(), Some(2));
    }
}
