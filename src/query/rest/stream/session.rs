//! One client of the step stream.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Filter, apps::Apps};
use crate::event::{Committed, CommittedStep};

/// How often a client is asked for a sign of life.
const PING: Duration = Duration::from_secs(10);
/// How long a client may say nothing.
const SILENCE: Duration = Duration::from_mins(1);
/// How long a client that was too slow may take to hear so; its backlog comes first.
const FAREWELL: Duration = Duration::from_secs(30);
/// How long any other client may take to close.
const CLOSING: Duration = Duration::from_secs(1);

/// What a client gets.
pub(super) struct Session {
    pub(super) committed: broadcast::Receiver<Arc<Committed>>,
    pub(super) filter: Filter,
    pub(super) apps: Apps,
    pub(super) stopping: CancellationToken,
}

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed, or its connection broke.
    Gone,
    /// Nothing was heard for [`SILENCE`].
    Silent,
    /// It fell behind.
    TooSlow,
    /// The server stops.
    Stopping,
}

impl Session {
    /// Sends steps until something ends it.
    pub(super) async fn run(mut self, socket: WebSocket) {
        let (mut writer, mut reader) = socket.split();
        let stopping = self.stopping.clone();
        let end = tokio::select! {
            end = listen(&mut reader) => end,
            end = self.tell(&mut writer) => end,
            () = stopping.cancelled() => End::Stopping,
        };
        let (code, reason) = match end {
            End::Gone => {
                // Answers the client's close.
                let _ = timeout(CLOSING, writer.close()).await;
                return;
            }
            End::Silent => return,
            End::TooSlow => (
                close_code::POLICY,
                "too slow: steps were missed; read faster, or ask for one app or flowinstanceid",
            ),
            End::Stopping => (close_code::AWAY, "the server stops"),
        };
        let close = Message::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }));
        let mut said = false;
        if end == End::TooSlow {
            let saying = timeout(FAREWELL, writer.send(close));
            said = matches!(stopping.run_until_cancelled(saying).await, Some(Ok(Ok(()))));
        } else if let Ok(Ok(())) = timeout(CLOSING, writer.send(close)).await {
            said = true;
        }
        if said {
            // The client's close; what it says before does not matter.
            let closing = async { while let Some(Ok(_)) = reader.next().await {} };
            let _ = timeout(CLOSING, closing).await;
        }
    }

    async fn tell(&mut self, writer: &mut SplitSink<WebSocket, Message>) -> End {
        let mut pings = interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sent = tokio::select! {
                committed = self.committed.recv() => match committed {
                    Ok(committed) => self.send(writer, &committed).await,
                    Err(RecvError::Lagged(_)) => return End::TooSlow,
                    Err(RecvError::Closed) => return End::Stopping,
                },
                _ = pings.tick() => writer.send(Message::Ping(Bytes::new())).await,
            };
            if sent.is_err() {
                return End::Gone;
            }
        }
    }

    async fn send(
        &self,
        writer: &mut SplitSink<WebSocket, Message>,
        committed: &Committed,
    ) -> Result<(), axum::Error> {
        for step in &committed.steps {
            if self.wanted(step).await
                && let Some(text) = frame(&step.content)
            {
                writer.feed(Message::text(text)).await?;
            }
        }
        writer.flush().await
    }

    async fn wanted(&self, step: &CommittedStep) -> bool {
        let Filter {
            app,
            user,
            instance,
        } = &self.filter;
        if instance.as_ref().is_some_and(|id| **id != *step.instance) {
            return false;
        }
        if app.is_none() && user.is_none() {
            return true;
        }
        let known = match &step.app {
            Some(known) => Some(Arc::clone(known)),
            None => self.apps.of(&step.instance).await,
        };
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|w| w == text);
        known.is_some_and(|known| is(app, &known.app) && is(user, &known.user))
    }
}

/// Hears the client out, for signs of life and its close.
async fn listen(reader: &mut SplitStream<WebSocket>) -> End {
    loop {
        match timeout(SILENCE, reader.next()).await {
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return End::Gone,
            Ok(Some(Ok(_))) => {}
            Err(_) => return End::Silent,
        }
    }
}

/// A step's content with one line end behind it; none when it is no text.
fn frame(content: &[u8]) -> Option<String> {
    let content = std::str::from_utf8(content).ok()?;
    let mut text = String::with_capacity(content.len() + 1);
    text.push_str(content.strip_suffix('\n').unwrap_or(content));
    text.push('\n');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_text_with_one_line_end() {
        assert_eq!(frame(b"{}").as_deref(), Some("{}\n"));
        assert_eq!(frame(b"{}\n").as_deref(), Some("{}\n"));
        assert_eq!(frame("näh".as_bytes()).as_deref(), Some("näh\n"));
        assert_eq!(frame(b"\xff"), None);
    }
}
