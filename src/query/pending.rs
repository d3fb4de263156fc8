//! Events that this server has taken and the tables do not show yet: its spool is not empty.
//!
//! What a rerun goes by or takes back is refused then ([`super::History::complete`]), as it would be
//! a part taken for the whole. Every other answer is given, with the number in a header
//! ([`Telling`]).

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{TryFutureExt as _, future::BoxFuture};
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service};

use crate::rest;

/// How many events are on their way to the tables; cheap to clone and to ask.
#[derive(Clone)]
pub struct Pending(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Pending {
    /// As `count` says. It is called for every question, so it must not wait.
    pub fn new(count: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(count))
    }

    /// The number now.
    pub fn events(&self) -> u64 {
        (self.0)()
    }
}

/// Nothing is ever on its way.
impl Default for Pending {
    fn default() -> Self {
        Self::new(|| 0)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.events()).finish()
    }
}

/// A service whose answers say how many events were on their way when it was asked: in a header,
/// which is the initial metadata of a gRPC answer. Nothing is said when there are none.
#[derive(Clone, Debug)]
pub struct Telling<S> {
    inner: S,
    pending: Pending,
}

impl<S> Layer<S> for Pending {
    type Service = Telling<S>;

    fn layer(&self, inner: S) -> Telling<S> {
        let pending = self.clone();
        Telling { inner, pending }
    }
}

impl<S, B, R> Service<Request<B>> for Telling<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Asked before the tables are: what arrives there meanwhile may be missing in the answer.
        let events = self.pending.events();
        let answer = self.inner.call(request);
        Box::pin(answer.map_ok(move |mut response| {
            if events > 0 {
                let number = HeaderValue::from(events);
                response.headers_mut().insert(rest::PENDING_EVENTS, number);
            }
            response
        }))
    }
}
