//! The options of `flowtrail load`.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::{flows::Shape, grpc::Terms};
use crate::{
    cli::{client::ServerOptions, output::Output},
    config,
};

/// Events that are sent when neither a number nor a time is given.
const EVENTS: u64 = 1_000_000;
/// With a rate, the time in which the events of a chunk are due at most.
const LONGEST_CHUNK: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  A million events of recorded flows over two streams, as fast as the server takes them
    flowtrail load
  Half a minute at 50,000 events/s with payloads of 4 kB; the database says what it cost and has
    flowtrail load --rate 50000 --duration 30s --payload 4k --database-url postgresql://localhost/history --verify
  One request an event over 32 connections, to any server that speaks flow-state's REST
    flowtrail load --protocol rest --connections 32 --url http://localhost:9190 --events 100000

Exit status: 0 when everything was taken, 1 when an event was refused, an answer did not come or the
rows are not what was acknowledged, 2 when it was called wrongly. Events of an app that is switched
off are taken and skipped.";

/// Send made-up flows and measure: rate, time to the ack, CPU
///
/// The flows are recorded ones under new instance ids: 3 to 10 steps between a start and an end. Over
/// gRPC they go in chunks, and an event counts once its chunk is acknowledged; over REST each is a
/// request. With --rate the time to an ack begins when the event was due, so that a server that falls
/// behind shows it. Ctrl-C ends the run early; a second one does not wait for the last answers.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How events are sent
    #[arg(
        long,
        value_name = "PROTOCOL",
        default_value = "grpc",
        help_heading = "Sending"
    )]
    pub protocol: Protocol,
    /// Streams; over REST connections with one request on its way each [default: 2, over REST 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sending")]
    pub connections: Option<u16>,
    /// Events a second, all connections together [default: as fast as they are answered]
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "Sending")]
    pub rate: Option<f64>,
    /// Events to send [default: 1000000, or as many as --duration allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Sending")]
    pub events: Option<u64>,
    /// How long to send
    #[arg(long, value_name = "TIME", value_parser = config::duration, help_heading = "Sending")]
    pub duration: Option<Duration>,
    /// Events in a chunk at most, over gRPC; with --rate no more than are due in a tenth of a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Sending")]
    pub chunk_events: u32,
    /// Chunks of a stream that may be unanswered, over gRPC
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sending")]
    pub unanswered: u16,
    /// Make all chunks before the clock starts, over gRPC; they are held in memory, so give --events
    #[arg(long, requires = "events", help_heading = "Sending")]
    pub prepare: bool,
    /// Share of chunks, or of requests, that are sent twice, like 1% or 0.01
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share, help_heading = "Sending")]
    pub resends: f64,

    /// Bytes of a step's content, about, like 0.5k, 4k or 32k; `recorded` is 470 to 980
    #[arg(long, value_name = "SIZE", default_value = "recorded", value_parser = payload, help_heading = "Flows")]
    pub payload: Payload,
    /// Share of flows that are long
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share, help_heading = "Flows")]
    pub long_flows: f64,
    /// Steps of a long flow
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Flows")]
    pub long_steps: u32,
    /// Share of flows that are reruns of the one before
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share, help_heading = "Flows")]
    pub reruns: f64,
    /// Leave starts and ends out
    #[arg(long, help_heading = "Flows")]
    pub steps_only: bool,
    /// User of the flows
    #[arg(long, default_value = "load", help_heading = "Flows")]
    pub user: String,
    /// App of the flows
    #[arg(long, default_value = "load", help_heading = "Flows")]
    pub app: String,

    /// The server.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Server to post to over REST, when it is not --server: any that speaks flow-state's REST
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub url: Option<String>,
    /// Count the rows of the run afterwards; needs --database-url
    #[arg(long, help_heading = "Database")]
    pub verify: bool,
    /// The database, to count rows and to see its CPU time.
    #[command(flatten)]
    pub database: config::Database,
    /// Form of the result
    #[arg(
        long,
        value_name = "FORM",
        default_value = "table",
        help_heading = "Output"
    )]
    pub output: Output,
}

/// How events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Chunks over recorder streams
    Grpc,
    /// A request for each event
    Rest,
}

/// Size of a step's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload(Option<usize>);

impl Args {
    pub(super) fn connections(&self) -> usize {
        let default = match self.protocol {
            Protocol::Grpc => 2,
            Protocol::Rest => 32,
        };
        self.connections.unwrap_or(default).into()
    }

    /// How many events may be sent; none for as many as there is time for.
    pub(super) fn events(&self) -> Option<u64> {
        self.events.or(self.duration.is_none().then_some(EVENTS))
    }

    /// Events in one request at most.
    pub(super) fn chunk(&self) -> u64 {
        if self.protocol == Protocol::Rest {
            return 1;
        }
        let most = self.chunk_events.into();
        let Some(rate) = self.rate else {
            return most;
        };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and too large a number becomes the largest"
        )]
        let due = (rate / self.connections() as f64 * LONGEST_CHUNK.as_secs_f64()) as u64;
        due.clamp(1, most)
    }

    pub(super) fn terms(&self) -> Terms {
        Terms {
            chunk_events: self.chunk(),
            unanswered: self.unanswered.into(),
            resends: self.resends,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            user: self.user.clone(),
            app: self.app.clone(),
            payload: self.payload.0,
            long_flows: self.long_flows,
            long_steps: self.long_steps,
            reruns: self.reruns,
            steps_only: self.steps_only,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok();
    let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("`{text}` is not a rate; write events a second, like 50000"))
}

fn share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse::<f64>().ok(),
    };
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is not a share; write it like 5% or 0.05"))
}

fn payload(text: &str) -> Result<Payload, String> {
    if text == "recorded" {
        return Ok(Payload(None));
    }
    let (number, unit) = match text.strip_suffix('k') {
        Some(number) => (number, 1024.0),
        None => (text, 1.0),
    };
    let bytes = number.parse::<f64>().ok().map(|number| number * unit);
    let bytes = bytes.filter(|bytes| (256.0..=512.0 * 1024.0).contains(bytes));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the bounds above"
    )]
    bytes
        .map(|bytes| Payload(Some(bytes as usize)))
        .ok_or_else(|| {
            format!("`{text}` is not a size; write recorded, or 256 to 512k, like 0.5k, 4k or 32k")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares_are_written_as_people_do() {
        assert_eq!(payload("recorded"), Ok(Payload(None)));
        assert_eq!(payload("0.5k"), Ok(Payload(Some(512))));
        assert_eq!(payload("32k"), Ok(Payload(Some(32 << 10))));
        for wrong in ["", "k", "4MB", "10", "513k", "-1k"] {
            assert!(payload(wrong).is_err(), "{wrong}");
        }
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("0.5"), Ok(0.5));
        for wrong in ["", "%", "101%", "-1", "NaN"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("inf").is_err() && rate("1e4") == Ok(1e4));
    }
}
