//! A stream that is closed without losing its last words.
//!
//! When we close while the peer still sends, the kernel answers with a reset, and a reset throws
//! away what the peer has not read yet: the last acks, and why a stream ended. So behind our last
//! byte what still comes is read and thrown away, until the peer closes too or [`LINGER`] is over.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a peer may take to close.
const LINGER: Duration = Duration::from_secs(1);

/// A stream whose shutdown waits for the peer's.
pub(super) struct Closing<S> {
    stream: S,
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> Closing<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            limit: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Closing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Closing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.limit.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let limit = this.limit.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut rest = [MaybeUninit::uninit(); 4096];
        while limit.as_mut().poll(cx).is_pending() {
            let mut rest = ReadBuf::uninit(&mut rest);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut rest));
            if read.is_err() || rest.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
