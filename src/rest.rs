//! What the REST faces of the slices have in common: the two error styles of the engines' own
//! service, its JSON, and the `username` header (contract, sections 1.1 to 1.3). [`manners`] is how
//! HTTP is spoken around them.

mod ahead;
mod manners;
pub mod paths;
mod unread;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

pub use ahead::{Ahead, ahead};
pub use manners::manners;

use crate::status::Status;

/// Says of an answer how many events were not in the tables yet when it was asked for; not there
/// when all were. In gRPC it is initial metadata.
pub const PENDING_EVENTS: HeaderName = HeaderName::from_static("flowtrail-pending-events");

/// Style T: the message and a line end, as text.
pub fn text_error(status: StatusCode, message: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, format!("{message}\n")).into_response()
}

/// Style J: `{"code":404,"message":"..."}` and a line end.
pub fn json_error(status: StatusCode, message: &str) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        code: u16,
        message: &'a str,
    }
    let code = status.as_u16();
    json(status, &Body { code, message })
}

/// A failure of ours in style J.
pub fn refused(status: &Status) -> Response {
    let mut response = json_error(status.code.http(), &status.message);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    response
}

/// `body` as Go encodes it: compact, `<`, `>`, `&` and the two line separators escaped, a line end
/// behind it.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match json_text(body) {
        Ok(text) => raw_json(status, text),
        Err(response) => *response,
    }
}

/// The text of such a body.
///
/// # Errors
/// The answer for a body that has no JSON form.
pub fn json_text(body: &impl Serialize) -> Result<String, Box<Response>> {
    serde_json::to_string(body)
        .map(|text| go_json(&text))
        .map_err(|_| {
            Box::new(text_error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the answer has no JSON form",
            ))
        })
}

/// A JSON text that is finished.
pub fn raw_json(status: StatusCode, text: impl Into<axum::body::Body>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, text.into()).into_response()
}

/// What Go's encoder makes of a JSON text beyond what serde does: these characters only stand
/// inside strings, so they can be replaced wherever they are.
pub fn go_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped.push('\n');
    escaped
}

/// The tenant that a request speaks for; an empty header is none.
pub fn username(headers: &HeaderMap) -> Option<&str> {
    let name = std::str::from_utf8(headers.get("username")?.as_bytes()).ok()?;
    (!name.is_empty()).then_some(name)
}

/// The answer to a request that needs `username` and has none.
pub fn no_username() -> Response {
    text_error(
        StatusCode::UNAUTHORIZED,
        "unauthorized, please provide user information",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped_as_go_escapes_it() {
        let text = serde_json::to_string(&["<a>&\u{2028}é"]).expect("a text");
        assert_eq!(go_json(&text), "[\"\\u003ca\\u003e\\u0026\\u2028é\"]\n");
    }

    #[test]
    fn an_empty_username_is_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(username(&headers), None);
        headers.insert("username", HeaderValue::from_static(""));
        assert_eq!(username(&headers), None);
        headers.insert("UserName", HeaderValue::from_static("acme"));
        assert_eq!(username(&headers), Some("acme"));
        let name = HeaderValue::from_bytes("größe".as_bytes()).expect("a header");
        headers.insert("username", name);
        assert_eq!(username(&headers), Some("größe"));
    }
}
