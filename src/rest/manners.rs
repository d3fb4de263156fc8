//! How HTTP is spoken on every path that is not gRPC's or an operator's: the engines' own service
//! is imitated in what it says of a wrong method, a wrong path and another origin (contract 1.1).

use axum::{
    Router,
    body::Body,
    extract::{OriginalUri, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{self, ACCEPT, ALLOW, CONTENT_TYPE, LOCATION, ORIGIN},
};
use http_body::Body as _;
use tower::Layer as _;
use tower_http::cors::{self, CorsLayer};

use super::{PENDING_EVENTS, paths, text_error, unread::Unread};

/// `routes` with their manners. The answer takes whatever no other route does, so routes that have
/// manners of their own can be merged into it.
///
/// - An unknown path is a 404 in text; one that only differs in case, slashes or encoding of its
///   fixed parts is redirected.
/// - A method that a path has not is a 405 that names those it has. HEAD is one of these, and
///   OPTIONS is answered with the same list.
/// - A body that no route reads does not end the connection.
/// - Any origin may read the answers, with `username` and `Async-Calling` as it likes, without
///   credentials, and see in their headers how many events are pending and when to try again.
pub fn manners(routes: Router) -> Router {
    let routes = routes.fallback(elsewhere);
    let mannered = middleware::from_fn(behave).layer(cors().layer(routes));
    Router::new().fallback_service(middleware::from_fn(read_up).layer(mannered))
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(cors::Any)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::DELETE,
            Method::PUT,
            Method::OPTIONS,
        ])
        .allow_headers([
            ORIGIN,
            ACCEPT,
            CONTENT_TYPE,
            HeaderName::from_static("x-requested-with"),
            HeaderName::from_static("username"),
            HeaderName::from_static("async-calling"),
        ])
        .expose_headers([PENDING_EVENTS, header::RETRY_AFTER])
        .vary([ORIGIN])
}

/// Reads a body that the route has left unread, so that the connection can go on, or says that it
/// cannot.
async fn read_up(request: Request, next: Next) -> Response {
    if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = Unread::new(body);
    let request = Request::from_parts(head, Body::new(body.clone()));
    let mut response = next.run(request).await;
    if !response.headers().contains_key(header::CONNECTION) && !body.drain().await {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn behave(mut request: Request, next: Next) -> Response {
    let options = request.method() == Method::OPTIONS;
    if options && has(request.headers(), &header::ACCESS_CONTROL_REQUEST_METHOD) {
        let mut preflight = next.run(request).await;
        *preflight.status_mut() = StatusCode::NO_CONTENT;
        return preflight;
    }
    if options || request.method() == Method::HEAD {
        // No route has this method, so the router answers with the ones it has.
        *request.method_mut() = Method::TRACE;
    }
    let response = next.run(request).await;
    match response.headers().get(ALLOW) {
        Some(methods) if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            let methods = allow(methods);
            let (kept, _) = response.into_parts();
            let answer = if options {
                StatusCode::OK.into_response()
            } else {
                text_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
            };
            with(kept.headers, methods, answer)
        }
        _ => response,
    }
}

fn has(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_some_and(|value| !value.is_empty())
}

/// The methods of a path by name, OPTIONS with them and HEAD not, whatever the router calls them.
fn allow(methods: &HeaderValue) -> HeaderValue {
    let mut methods: Vec<&str> = methods
        .to_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|method| !method.is_empty() && *method != "HEAD")
        .collect();
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.dedup();
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

/// `answer` with what other layers had put into the headers of the one it replaces.
fn with(mut kept: HeaderMap, methods: HeaderValue, mut answer: Response) -> Response {
    kept.remove(header::CONTENT_LENGTH);
    kept.remove(CONTENT_TYPE);
    kept.insert(ALLOW, methods);
    answer.headers_mut().extend(kept);
    answer
}

/// No route matched.
async fn elsewhere(OriginalUri(uri): OriginalUri, request: Request) -> Response {
    if is_grpc(request.headers()) {
        return unimplemented();
    }
    let Some(path) = paths::corrected(request.method(), uri.path()) else {
        return text_error(StatusCode::NOT_FOUND, "404 page not found");
    };
    let target = uri
        .query()
        .map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let Ok(location) = HeaderValue::from_str(&target) else {
        return text_error(StatusCode::NOT_FOUND, "404 page not found");
    };
    if request.method() != Method::GET {
        return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response();
    }
    let page = format!(
        "<a href=\"{}\">Moved Permanently</a>.\n\n",
        target.replace('&', "&amp;").replace('"', "&#34;")
    );
    let headers = [
        (LOCATION, location),
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
    ];
    (StatusCode::MOVED_PERMANENTLY, headers, page).into_response()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// What a gRPC client is told of a service that is not here.
fn unimplemented() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
        (
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("12"),
        ),
    ];
    (headers, Body::empty()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_of_a_path_are_listed_by_name_without_head() {
        let check = |given: &'static str, expected: &str| {
            assert_eq!(allow(&HeaderValue::from_static(given)), expected);
        };
        check("GET,HEAD", "GET, OPTIONS");
        check("POST,DELETE,GET,HEAD", "DELETE, GET, OPTIONS, POST");
        check("", "OPTIONS");
    }
}
