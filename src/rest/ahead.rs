//! Posts that come by the thousand: they pass by the router and all of its layers.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{Router, body::HttpBody, response::Response, routing::future::RouteFuture};
use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{Either, Map},
};
use http::{HeaderValue, Request, header};
use tower::{BoxError, Service};

/// See [`ahead`].
#[derive(Clone, Debug)]
pub struct Ahead<P> {
    post: P,
    others: Router,
}

/// `others` with `post` in front of it, which answers a request or gives it back. It reads the bodies
/// that it takes, or says that the connection ends, and its answers are for any origin.
pub fn ahead<P, B, F>(others: Router, post: P) -> Ahead<P>
where
    P: Fn(Request<B>) -> Either<F, Request<B>>,
{
    Ahead { post, others }
}

type Opened<F> = Map<F, fn(Response) -> Result<Response, Infallible>>;

impl<P, B, F> Service<Request<B>> for Ahead<P>
where
    P: Fn(Request<B>) -> Either<F, Request<B>>,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    F: Future<Output = Response>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Opened<F>, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // So is the router.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match (self.post)(request) {
            Either::Left(answer) => Either::Left(answer.map(|response| Ok(open(response)))),
            Either::Right(request) => Either::Right(self.others.call(request)),
        }
    }
}

/// What the layer for other origins says of an answer, and the router of its length.
fn open(mut response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let headers = response.headers_mut();
    if let Some(length) = length {
        // Nearly all say nothing, for which no memory is needed.
        let nothing = (length == 0).then(|| HeaderValue::from_static("0"));
        let length = nothing.unwrap_or_else(|| length.into());
        headers.insert(header::CONTENT_LENGTH, length);
    }
    let any = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let exposed = HeaderValue::from_static("flowtrail-pending-events,retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing};
    use http::StatusCode;
    use tower::ServiceExt as _;

    use super::*;
    use crate::rest::{self, manners};

    #[tokio::test]
    async fn an_answer_from_ahead_has_the_headers_that_the_router_gives_it() {
        for text in ["", "{}"] {
            let answer = move || rest::raw_json(StatusCode::OK, text);
            let others = Router::new().route("/", routing::post(async move || answer()));
            let behind = manners(others);
            let post = move |_: Request<Body>| Either::Left(async move { answer() });
            let ahead = ahead(Router::new(), post);

            let request = || Request::post("/").body(Body::empty()).expect("a request");
            let expected = behind.oneshot(request()).await.expect("an answer");
            let given = ahead.oneshot(request()).await.expect("an answer");
            assert_eq!(given.headers(), expected.headers(), "{text}");
            let length = given.headers()[header::CONTENT_LENGTH].to_str();
            assert_eq!(length.expect("a number"), text.len().to_string());
        }
    }
}
