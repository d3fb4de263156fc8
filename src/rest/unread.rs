//! Bodies that nobody reads. An HTTP/1 server that answers before it has read the request must close
//! the connection, which a client learns with its next request only.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::timeout;

/// Bytes that are read for nothing, at most.
const BYTES: usize = 64 << 10;
/// How long they may take to arrive.
const TIME: Duration = Duration::from_secs(1);

/// A body that can be read on by somebody else once a route is through with it.
#[derive(Clone)]
pub(super) struct Unread(Arc<Mutex<Body>>);

impl Unread {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads what is left; answers whether that was all.
    pub(super) async fn drain(mut self) -> bool {
        let read = async {
            let mut left = BYTES;
            loop {
                let frame =
                    std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut self), cx));
                match frame.await {
                    None => return true,
                    Some(Err(_)) => return false,
                    Some(Ok(frame)) => {
                        let bytes = frame.data_ref().map_or(0, Bytes::len);
                        match left.checked_sub(bytes) {
                            Some(rest) => left = rest,
                            None => return false,
                        }
                    }
                }
            }
        };
        timeout(TIME, read).await.unwrap_or(false)
    }
}

impl http_body::Body for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.size_hint()
    }
}
