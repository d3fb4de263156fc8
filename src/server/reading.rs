//! A stream whose peer must read.
//!
//! What a peer does not read stays in memory here, and whoever writes it waits. So a write that
//! makes no progress for a while fails, and the connection with it. One stream of HTTP/2 that is not
//! read is no such write: it keeps its window's bytes and holds up nobody.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// A stream that fails with [`io::ErrorKind::TimedOut`] when nothing of what is written was taken
/// for too long.
pub(super) struct Reading<S> {
    stream: S,
    patience: Duration,
    limit: Pin<Box<Sleep>>,
    waiting: bool,
}

impl<S> Reading<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            limit: Box::pin(sleep(patience)),
            waiting: false,
        }
    }
}

impl<S: Unpin> Reading<S> {
    fn progress<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let this = &mut *self;
        let outcome = poll(Pin::new(&mut this.stream), cx);
        if outcome.is_ready() {
            this.waiting = false;
            return outcome;
        }
        if !this.waiting {
            this.waiting = true;
            this.limit.as_mut().reset(Instant::now() + this.patience);
        }
        this.limit
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Reading<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Reading<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.progress(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.progress(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.progress(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.progress(cx, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_not_waited_for_for_ever() {
        let (ours, mut theirs) = duplex(64);
        let mut ours = Reading::new(ours, PATIENCE);
        ours.write_all(&[0; 64]).await.expect("room");
        tokio::time::sleep(PATIENCE * 5).await;
        let begun = Instant::now();
        let error = ours.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), PATIENCE, "since it waits, not since ever");
        theirs.read_exact(&mut [0; 64]).await.expect("it was sent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_has_as_long_as_it_likes() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Reading::new(ours, PATIENCE);
        let reading = async {
            for _ in 0..8 {
                tokio::time::sleep(PATIENCE * 9 / 10).await;
                theirs.read_exact(&mut [0; 8]).await.expect("written");
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; 64]), reading);
        written.expect("it reads");
    }
}
