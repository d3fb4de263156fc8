//! What one connection may have: connections, streams, windows, headers, time.

use std::time::Duration;

use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};

/// Bytes a stream may send ahead of its reader. They come on top of the message in hand, for every
/// stream that waits for room, so they are few.
const STREAM_WINDOW: u32 = 256 << 10;
/// Bytes of a frame. A frame is read into memory of its own, as a whole: with the 16 KiB that HTTP/2
/// begins with, reading is a call of the system for every 8 KiB.
const FRAME: u32 = 64 << 10;
/// Bytes all streams of a connection may send ahead of their readers.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Streams open on one connection at once.
const STREAMS: u32 = 64;
/// Bytes of the headers of one request over HTTP/2.
const HEADERS: u32 = 16 << 10;
/// Bytes of an HTTP/1 connection that are read ahead: the headers of one request.
const READ_AHEAD: usize = 64 << 10;
/// Bytes of an answer that wait for the peer's window, for each stream.
const UNSENT: usize = 128 << 10;

/// What a listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once.
    pub connections: usize,
    /// How long a connection may take over the TLS handshake and its first bytes, each.
    pub opening: Duration,
    /// How long an HTTP/1 connection may be without a request or in the middle of a request's
    /// headers.
    pub idle: Duration,
    /// How often a silent HTTP/2 peer is asked whether it is there, and how long it may take to
    /// answer.
    pub ping: Duration,
    /// How long a connection may take nothing of what is sent to it.
    pub unread: Duration,
}

impl Limits {
    /// `connections` at once, each 10 s for its opening. The clients of Flogo engines close a
    /// connection themselves after 90 s without a request; a server that did so earlier would meet
    /// some of their posts, which they do not send again.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        Self {
            connections,
            opening: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            ping: Duration::from_secs(20),
            unread: Duration::from_mins(2),
        }
    }
}

/// The protocols within `limits`.
pub(super) fn protocol<E>(limits: Limits, executor: E) -> Builder<E> {
    let mut builder = Builder::new(executor);
    // Without a timer hyper ignores the header timeout and panics on the first ping.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(READ_AHEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(UNSENT)
        .max_header_list_size(HEADERS);
    builder
}
