//! Speaking with the server without the driver in between: many statements, COPY and its data among
//! them, in one write, as one transaction, with nobody waiting before its end.
//!
//! The driver waits for the server before it sends what a COPY is about, and answers reach it in
//! pieces, each of which wakes it up: for a small transaction that is most of what it costs. It also
//! copies every byte once more. What goes through here is sent from where it lies.
//!
//! Statements without `begin` and `commit` are one transaction, which ends at the last of them. Only
//! what the server says after that is an answer: a commit can fail after all its statements did not.

mod complaint;
mod request;

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::Message;
use tokio_util::{
    io::{poll_read_buf, poll_write_buf},
    sync::CancellationToken,
};

pub use complaint::Complaint;
pub use request::Request;

use super::{
    Retry, Rope,
    pipe::{Pipe, Stream},
    verdict_of,
};

/// What the server calls itself when no transaction is open.
const IDLE: u8 = b'I';
/// Bytes that are read at a time: answers are short.
const READ_BYTES: usize = 4 << 10;

/// A connection that can be spoken through directly. While it is, its client must ask nothing.
pub struct Direct {
    pipe: Pipe,
    /// Another server is the primary now.
    ended: CancellationToken,
    /// Borrowed from the driver, to whom it is given back only when he is asked again.
    stream: Option<Stream>,
    /// Something was asked that is not answered; or nobody knows where the next message begins.
    midway: bool,
    received: BytesMut,
}

/// How a transaction ended that is committed.
#[derive(Debug, Default)]
pub struct Answer {
    /// The rows that its statements answered with.
    pub rows: usize,
    /// What the server warned of.
    pub warnings: Vec<Complaint>,
    /// It warned when it committed: the commit may be missing on a synchronous standby.
    pub doubtful: bool,
}

/// Why nothing is known to be committed.
#[derive(Debug)]
pub enum Error {
    /// A statement failed, or the commit; nothing of the transaction is there.
    Refused(Box<Complaint>),
    /// The line broke; or, as [`io::ErrorKind::InvalidInput`], a value does not fit into it.
    Line(io::Error),
}

impl Direct {
    pub(super) fn new(pipe: Pipe, ended: CancellationToken) -> Self {
        Self {
            pipe,
            ended,
            stream: None,
            midway: false,
            received: BytesMut::new(),
        }
    }

    /// Sends `request` and waits until its transaction has ended. Dropping the future leaves a
    /// connection that is of no more use.
    ///
    /// # Errors
    /// What happened instead; after [`Error::Refused`] the connection goes on, unless it is
    /// [closed](Direct::is_closed).
    pub async fn exchange(&mut self, request: Request) -> Result<Answer, Error> {
        let ended = self.ended.clone();
        let (rope, executed) = request.finish();
        ended
            .run_until_cancelled(self.speak(rope, executed))
            .await
            .unwrap_or_else(|| Err(Error::Line(io::ErrorKind::ConnectionAborted.into())))
    }

    /// Whether the line is known to be of no more use. What is with the driver, the driver knows.
    pub fn is_closed(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return self.midway;
        };
        let mut nobody = Context::from_waker(Waker::noop());
        while !self.midway {
            match poll_read_buf(Pin::new(&mut *stream), &mut nobody, &mut self.received) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => self.midway = true,
                Poll::Pending => break,
            }
        }
        // Between transactions a server says something of its own accord, or why it goes.
        while !self.midway {
            match Message::parse(&mut self.received) {
                Ok(Some(Message::ErrorResponse(_))) | Err(_) => self.midway = true,
                Ok(Some(_)) => {}
                Ok(None) => break,
            }
        }
        self.midway
    }

    /// Gives the connection back to the driver.
    pub fn give_back(&mut self) {
        if let Some(stream) = self.stream.take() {
            let between_messages = !self.midway && self.received.is_empty();
            self.pipe.give_back(between_messages.then_some(stream));
        }
    }

    /// Sends `rope`, which executes so many statements.
    async fn speak(&mut self, mut rope: Rope, executed: usize) -> Result<Answer, Error> {
        if self.stream.is_none() {
            self.stream = self.pipe.lend();
        }
        let (Some(stream), false) = (&mut self.stream, self.midway) else {
            return Err(Error::Line(io::ErrorKind::NotConnected.into()));
        };
        self.midway = true;
        let (received, mut answer, mut refusal) = (&mut self.received, Answer::default(), None);
        let mut completed = 0;
        let heard = poll_fn(|cx| {
            // When the server does not listen any more, it has said why.
            let mut stream = Pin::new(&mut **stream);
            while rope.has_remaining() {
                let sent = poll_write_buf(stream.as_mut(), cx, &mut rope);
                if !matches!(sent, Poll::Ready(Ok(1..))) {
                    break;
                }
            }
            let _ = stream.as_mut().poll_flush(cx);
            loop {
                while let Some(message) = Message::parse(received)? {
                    match message {
                        Message::ReadyForQuery(state) => {
                            let whole = refusal.is_some() || completed == executed;
                            return Poll::Ready(ended(whole, state.status()));
                        }
                        Message::ErrorResponse(body) => {
                            let complaint = Complaint::read(body.fields())?;
                            refusal.get_or_insert(complaint);
                        }
                        Message::NoticeResponse(body) => {
                            let complaint = Complaint::read(body.fields())?;
                            answer.notice(complaint);
                        }
                        Message::CommandComplete(_) => {
                            completed += 1;
                            answer.doubtful = false;
                        }
                        Message::DataRow(_) => answer.rows += 1,
                        _ => {}
                    }
                }
                received.reserve(READ_BYTES);
                if ready!(poll_read_buf(stream.as_mut(), cx, received))? == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
            }
        })
        .await;
        self.midway = heard.is_err();
        match refusal {
            // What ends a session is told before it ends.
            Some(complaint) => Err(Error::Refused(Box::new(complaint))),
            None => heard.map(|()| answer).map_err(Error::Line),
        }
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct")
            .field("borrowed", &self.stream.is_some())
            .field("midway", &self.midway)
            .finish_non_exhaustive()
    }
}

impl Answer {
    fn notice(&mut self, complaint: Complaint) {
        if complaint.warning {
            self.doubtful = true;
            self.warnings.push(complaint);
        }
    }
}

impl Error {
    /// What the server said, if it is that.
    #[must_use]
    pub fn complaint(&self) -> Option<&Complaint> {
        match self {
            Self::Refused(complaint) => Some(complaint),
            Self::Line(_) => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused(complaint) => verdict_of(Some(complaint.code.code())),
            Self::Line(error) if error.kind() == io::ErrorKind::InvalidInput => Retry::Never,
            Self::Line(_) => verdict_of(None),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(complaint) => complaint.fmt(f),
            Self::Line(error) => write!(f, "the line to the database broke: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// Nothing is committed while a transaction is open, or when the answer is one to somebody else: the
/// driver may have asked something that nobody waits for.
fn ended(whole: bool, state: u8) -> io::Result<()> {
    if whole && state == IDLE {
        return Ok(());
    }
    let message = "the database answers something that was not asked";
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}
