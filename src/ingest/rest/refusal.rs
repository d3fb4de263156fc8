//! Why a request was not taken, or not answered with success.

use std::borrow::Cow;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::{event, event::flogo, rest};

/// A refusal, to be counted by its reason and answered in style J.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Label of the metric.
    pub(super) reason: &'static str,
    /// The app, where it is known.
    pub(super) app: String,
    /// One sentence for the caller.
    pub(super) sentence: Cow<'static, str>,
    status: StatusCode,
    /// The rest of the request is not read: the connection is of no more use.
    close: bool,
}

impl Refusal {
    fn new(
        reason: &'static str,
        status: StatusCode,
        sentence: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            reason,
            app: String::new(),
            sentence: sentence.into(),
            status,
            close: false,
        }
    }

    fn cutting(mut self) -> Self {
        self.close = true;
        self
    }

    /// The same, of `app`.
    pub(super) fn of(mut self, app: &str) -> Self {
        app.clone_into(&mut self.app);
        self
    }

    /// Whether it is of an event that was read and is invalid.
    pub(super) fn is_of_event(&self) -> bool {
        self.reason == "invalid"
    }

    /// A body over `most` bytes.
    pub(super) fn too_large(most: usize) -> Self {
        let sentence = format!("the body has more than {most} bytes; see --max-event-bytes");
        Self::new("too_large", StatusCode::PAYLOAD_TOO_LARGE, sentence).cutting()
    }

    /// A body that broke off.
    pub(super) fn unreadable() -> Self {
        Self::new("unreadable", StatusCode::BAD_REQUEST, "unable to read body").cutting()
    }

    /// A body that takes more than its time.
    pub(super) fn slow(seconds: u64) -> Self {
        let sentence = format!("the body did not arrive within {seconds} s");
        Self::new("slow", StatusCode::REQUEST_TIMEOUT, sentence).cutting()
    }

    /// A body that is not the JSON of a `what`, `step` or `snapshot`.
    pub(super) fn json(what: &str, invalid: &flogo::Invalid) -> Self {
        let sentence = format!("unable to unmarshal {what} json: {invalid}");
        Self::new("json", StatusCode::BAD_REQUEST, sentence)
    }

    /// An event that can never be stored.
    pub(super) fn invalid(invalid: event::Invalid) -> Self {
        let reason = match invalid.reason {
            event::Reason::RefusedByDatabase => "refused_by_database",
            _ => "invalid",
        };
        Self::new(reason, StatusCode::BAD_REQUEST, invalid.sentence)
    }

    /// No place among those who send, in time.
    pub(super) fn no_place() -> Self {
        Self::no_room().cutting()
    }

    /// No room in time.
    pub(super) fn no_room() -> Self {
        Self::new(
            "no_room",
            StatusCode::SERVICE_UNAVAILABLE,
            "the server has no room for this event; nothing was taken, send it again later",
        )
    }

    /// Taken, and not durable in time.
    pub(super) fn not_written() -> Self {
        Self::new(
            "not_written",
            StatusCode::SERVICE_UNAVAILABLE,
            "the event was taken but is not stored yet; it stays queued and is written when the database is back, \
             unless this server ends before",
        )
    }

    /// Taken, and dropped before it was known to be stored.
    pub(super) fn lost() -> Self {
        Self::new(
            "lost",
            StatusCode::SERVICE_UNAVAILABLE,
            "the server stops and the event may not be stored; send it to another, or again later",
        )
    }

    /// The answer; `persistent` when the connection would serve another request after it.
    pub(super) fn response(&self, persistent: bool) -> Response {
        let mut response = rest::json_error(self.status, &self.sentence);
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.close && persistent {
            close(&mut response);
        }
        response
    }
}

/// Says that the connection serves no further request.
pub(super) fn close(response: &mut Response) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
}
