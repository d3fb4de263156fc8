//! What a server says of events that are not in its tables yet, passed on to who asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::{TryFutureExt as _, future::BoxFuture};
use http::{HeaderMap, Request, Response};
use tonic::{
    body::Body,
    transport::{self, Channel},
};
use tower::Service;

use crate::rest;

/// A channel to a server that says on standard error, once, when its answers lack events.
#[derive(Clone, Debug)]
pub struct Listening {
    channel: Channel,
    said: Arc<AtomicBool>,
}

impl Listening {
    /// Over `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        let said = Arc::default();
        Self { channel, said }
    }
}

impl Service<Request<Body>> for Listening {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, transport::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), transport::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.channel.call(request);
        let said = Arc::clone(&self.said);
        Box::pin(answer.inspect_ok(move |response| {
            if let Some(sentence) = sentence(response.headers())
                && !said.swap(true, Ordering::Relaxed)
            {
                anstream::eprintln!("{sentence}");
            }
        }))
    }
}

/// What there is to say; an error says it itself.
fn sentence(headers: &HeaderMap) -> Option<String> {
    if headers.contains_key("grpc-status") {
        return None;
    }
    let events: u64 = headers
        .get(rest::PENDING_EVENTS)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    match events {
        0 => None,
        1 => Some("1 event is not in the tables yet".to_owned()),
        _ => Some(format!("{events} events are not in the tables yet")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn events_on_their_way_are_said_of_answers_and_not_of_errors() {
        let said = |fields: &[(&'static str, &'static str)]| {
            let field = |&(name, value)| (name, HeaderValue::from_static(value));
            let mut headers = HeaderMap::new();
            for (name, value) in fields.iter().map(field) {
                headers.insert(name, value);
            }
            sentence(&headers)
        };
        let name = "flowtrail-pending-events";
        assert_eq!(
            said(&[(name, "7")]).as_deref(),
            Some("7 events are not in the tables yet")
        );
        assert_eq!(
            said(&[(name, "1")]).as_deref(),
            Some("1 event is not in the tables yet")
        );
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[(name, "0")]), None);
        assert_eq!(said(&[(name, "many")]), None);
        assert_eq!(said(&[(name, "7"), ("grpc-status", "14")]), None);
    }
}
