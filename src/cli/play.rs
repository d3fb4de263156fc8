//! Plays recorded traffic over recorder streams, all streams at once.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tonic::transport::Channel;

use super::{
    fresh::Fresh,
    stream::{Event, Failure, Notice, Options, Sender, Totals},
    traffic::Traffic,
};

/// How traffic is played.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// Events in a chunk at most.
    pub chunk_events: usize,
    /// How long an outage may last.
    pub retry_for: Duration,
    /// How many times the traffic is played.
    pub repeat: u64,
    /// Whether every time has instance ids of its own.
    pub fresh_ids: bool,
}

/// What became of the traffic.
#[derive(Debug)]
pub struct Played {
    /// Of all streams together.
    pub totals: Totals,
    /// Streams that were opened.
    pub streams: usize,
    /// Streams that were given up.
    pub failures: Vec<Failure>,
    /// From the first event to the last answer.
    pub took: Duration,
}

impl Play {
    /// Sends every event and waits for the answers. Rejections and outages are said on standard
    /// error, with lines of the file `name`; a progress bar is there when that is a terminal.
    ///
    /// # Errors
    /// [`super::Usage`] when fresh ids are asked for and cannot be made. A stream that is given up
    /// is no error: it is in [`Played::failures`].
    pub async fn run(
        self,
        channel: &Channel,
        name: &str,
        traffic: &Traffic,
    ) -> anyhow::Result<Played> {
        let fresh = self.fresh_ids.then(|| Fresh::new(traffic)).transpose()?;
        let bar = progress(traffic.events.len() as u64 * self.repeat);
        let begun = Instant::now();
        let mut senders: Vec<Sender> = traffic
            .streams
            .iter()
            .map(|hello| {
                let options = Options {
                    hello: hello.clone(),
                    chunk_events: self.chunk_events,
                    retry_for: self.retry_for,
                };
                let app = format!("{}/{}", hello.user, hello.app);
                let notice = notices(name.to_owned(), app, self.retry_for, bar.clone());
                Sender::open(channel.clone(), options, notice)
            })
            .collect();

        for _ in 0..self.repeat {
            let ids = fresh.as_ref().map(|fresh| (fresh, fresh.ids()));
            for (number, event) in traffic.events.iter().enumerate() {
                let encoded = match &ids {
                    Some((fresh, ids)) => fresh.event(number, &event.encoded, ids),
                    None => event.encoded.clone(),
                };
                let tag = event.line;
                // A stream that was given up counts it; the other streams go on.
                let _ = senders[event.stream].push(Event { tag, encoded }).await;
            }
        }

        let mut played = Played {
            totals: Totals::default(),
            streams: senders.len(),
            failures: Vec::new(),
            took: Duration::ZERO,
        };
        for outcome in futures_util::future::join_all(senders.into_iter().map(Sender::finish)).await
        {
            match outcome {
                Ok(totals) => played.totals += totals,
                Err(failure) => {
                    played.totals += failure.totals;
                    played.failures.push(failure);
                }
            }
        }
        played.took = begun.elapsed();
        bar.finish_and_clear();
        Ok(played)
    }
}

/// A bar on standard error, hidden when that is no terminal.
fn progress(events: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(events), ProgressDrawTarget::stderr());
    let style = "{bar:40} {human_pos} of {human_len} events, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// Says what happens to a stream, above the progress bar.
fn notices(
    file: String,
    app: String,
    retry_for: Duration,
    bar: ProgressBar,
) -> impl FnMut(Notice) + Send + 'static {
    let say = move |bar: &ProgressBar, line: String| {
        // Nobody reads it, then nobody has to be told.
        bar.suspend(|| drop(writeln!(anstream::stderr(), "flowtrail: {line}")));
    };
    move |notice| match notice {
        Notice::Answered(events) => bar.inc(events),
        Notice::Rejected { tag, reason } => say(&bar, format!("{file}:{tag}: rejected: {reason}")),
        Notice::Interrupted { cause } => say(
            &bar,
            format!("{app}: the stream broke ({cause}); trying again for {retry_for:?}"),
        ),
    }
}
