//! What the commands about past instances have in common: the client, reading in pieces, times in
//! words, and the question before something is done.

use std::{
    fmt::Write as _,
    io::{self, BufRead as _, IsTerminal as _},
};

use bytes::Bytes;
use prost_types::{Duration, Timestamp};
use tonic::{Response, Status, Streaming};

use super::{
    Usage,
    client::{self, ServerOptions},
    pending::Listening,
};
use crate::{
    event::Micros,
    proto::{
        ReadPayloadResponse, ReadSnapshotResponse, ReadStepResponse, history_client::HistoryClient,
    },
};

/// A page of a thousand rows with the longest names stays below.
const MAX_ANSWER: usize = 64 << 20;

/// A client of the service `History`. What its answers lack is said on standard error.
pub type Client = HistoryClient<Listening>;

/// A connected client.
///
/// # Errors
/// As [`ServerOptions::channel`].
pub async fn client(server: &ServerOptions) -> anyhow::Result<Client> {
    let channel = Listening::new(server.channel().await?);
    Ok(HistoryClient::new(channel).max_decoding_message_size(MAX_ANSWER))
}

/// A response that carries a piece of something.
pub trait Piece {
    /// The piece.
    fn piece(self) -> Bytes;
}

macro_rules! piece {
    ($($response:ty),*) => {
        $(impl Piece for $response {
            fn piece(self) -> Bytes {
                self.piece
            }
        })*
    };
}

piece!(ReadPayloadResponse, ReadStepResponse, ReadSnapshotResponse);

/// All pieces of an answer to `call`, put together.
///
/// # Errors
/// One line when the server refuses or goes away in the middle.
pub async fn pieces<P: Piece>(
    call: &str,
    answer: Result<Response<Streaming<P>>, Status>,
) -> anyhow::Result<Vec<u8>> {
    let refused = |status: Status| client::refused(call, &status);
    let mut stream = answer.map_err(refused)?.into_inner();
    let mut whole = Vec::new();
    while let Some(response) = stream.message().await.map_err(refused)? {
        whole.extend_from_slice(&response.piece());
    }
    Ok(whole)
}

/// RFC 3339 in UTC with up to six digits of the second; none where there is no time.
#[must_use]
pub fn time(time: Option<&Timestamp>) -> Option<String> {
    let time = time?;
    let micros = Micros::from_unix("time", time.seconds, time.nanos.into()).ok()?;
    Some(micros.to_string())
}

/// The same for people: to milliseconds, with a blank.
#[must_use]
pub fn short_time(time: Option<&Timestamp>) -> Option<String> {
    let text = self::time(time)?;
    let (whole, rest) = text
        .split_once('.')
        .unwrap_or((text.trim_end_matches('Z'), ""));
    let fraction: String = rest.trim_end_matches('Z').chars().take(3).collect();
    Some(format!("{}.{fraction:0<3}", whole.replacen('T', " ", 1)))
}

/// Milliseconds with three decimals.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of 285 years are exact"
)]
pub fn milliseconds(took: &Duration) -> f64 {
    let micros = took.seconds.saturating_mul(1_000_000) + i64::from(took.nanos / 1_000);
    micros as f64 / 1e3
}

/// A time span for people: `41.335ms`, `1.5s`, `2m 3s`.
#[must_use]
pub fn span(took: &Duration) -> String {
    let milliseconds = milliseconds(took);
    if milliseconds.abs() < 1e3 {
        return format!("{milliseconds}ms");
    }
    let mut text = String::new();
    if took.seconds < 60 {
        let _ = write!(text, "{}s", milliseconds.round() / 1e3);
        return text;
    }
    let units = [
        (86_400, i64::MAX, "d"),
        (3_600, 24, "h"),
        (60, 60, "m"),
        (1, 60, "s"),
    ];
    for (unit, most, name) in units {
        let number = took.seconds / unit % most;
        if number > 0 {
            let blank = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{blank}{number}{name}");
        }
    }
    text
}

/// Asks on the terminal whether to go on; `yes` is the answer given beforehand.
///
/// # Errors
/// [`Usage`] when nobody can be asked, another error when the answer is no.
pub fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Usage::error(
            "nobody can be asked here, as this is no terminal; give --yes",
        ));
    }
    anstream::eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let said_yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    anyhow::ensure!(said_yes, "nothing was done");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let check = |seconds, nanos, expected| {
            assert_eq!(span(&Duration { seconds, nanos }), expected);
        };
        check(0, 0, "0ms");
        check(0, 41_335_000, "41.335ms");
        check(1, 500_000_000, "1.5s");
        check(59, 999_900_000, "60s");
        check(123, 0, "2m 3s");
        check(3_600, 0, "1h");
        check(200_000, 0, "2d 7h 33m 20s");
        check(0, -500_000, "-0.5ms");
    }

    #[test]
    fn times_are_utc() {
        let at = Timestamp {
            seconds: 1_767_607_200,
            nanos: 41_335_000,
        };
        assert_eq!(
            time(Some(&at)).as_deref(),
            Some("2026-01-05T10:00:00.041335Z")
        );
        assert_eq!(
            short_time(Some(&at)).as_deref(),
            Some("2026-01-05 10:00:00.041")
        );
        let even = Timestamp { nanos: 0, ..at };
        assert_eq!(
            short_time(Some(&even)).as_deref(),
            Some("2026-01-05 10:00:00.000")
        );
        assert_eq!(time(None), None);
    }
}
