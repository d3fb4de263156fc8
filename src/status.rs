//! What a caller is told: one small set of codes, mapped to the protocol in this place only.
//!
//! A message says what to change in one sentence. It never carries text of the database.

use std::{borrow::Cow, fmt};

/// Why a call did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The caller sent something wrong; sending it again will not help.
    InvalidArgument,
    /// There is no such thing.
    NotFound,
    /// Right, but not in the state things are in.
    FailedPrecondition,
    /// A limit was reached; wait, or send less.
    Exhausted,
    /// The request did not arrive, or the answer was not found, in time.
    DeadlineExceeded,
    /// Not now; the same call may work later.
    Unavailable,
    /// Nobody but an operator can help; the log says how.
    Internal,
}

/// A code and one sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What kind of refusal this is.
    pub code: Code,
    /// What to change, without text of the database.
    pub message: Cow<'static, str>,
}

impl Status {
    /// A status of `code` with its sentence.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// [`Code::InvalidArgument`]: name the field and the remedy.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// [`Code::NotFound`]: name what is not there.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// [`Code::Unavailable`]: say what is away.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, message)
    }

    /// [`Code::Unavailable`]: so many events that this server has taken are not in the tables yet,
    /// so that what a rerun goes by or takes back would be a part taken for the whole.
    pub fn pending(events: u64) -> Self {
        let are = if events == 1 {
            "event is"
        } else {
            "events are"
        };
        Self::unavailable(format!(
            "{events} {are} still on the way from this server's spool to the tables, and some may be of this \
             instance; try again when none is"
        ))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

impl Code {
    fn grpc(self) -> tonic::Code {
        match self {
            Self::InvalidArgument => tonic::Code::InvalidArgument,
            Self::NotFound => tonic::Code::NotFound,
            Self::FailedPrecondition => tonic::Code::FailedPrecondition,
            Self::Exhausted => tonic::Code::ResourceExhausted,
            Self::DeadlineExceeded => tonic::Code::DeadlineExceeded,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Internal => tonic::Code::Internal,
        }
    }

    /// The status of HTTP that says the same.
    pub fn http(self) -> http::StatusCode {
        match self {
            Self::InvalidArgument => http::StatusCode::BAD_REQUEST,
            Self::NotFound => http::StatusCode::NOT_FOUND,
            Self::FailedPrecondition => http::StatusCode::CONFLICT,
            Self::Exhausted => http::StatusCode::TOO_MANY_REQUESTS,
            Self::DeadlineExceeded => http::StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Status> for tonic::Status {
    fn from(status: Status) -> Self {
        Self::new(status.code.grpc(), status.message)
    }
}
