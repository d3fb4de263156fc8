//! What a request asks about: the instance of its path, its tenant, its parameters.

use axum::{
    extract::{FromRequestParts, Query, RawPathParams},
    response::Response,
};
use http::request::Parts;

use super::{refused, wrong};
use crate::{
    query::{Attempt, Error, History},
    rest,
};

/// The parameters of the query text. The first of one name counts, and an empty one is none.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(given, _)| given == name)?;
        (!value.is_empty()).then_some(value)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err(wrong(
                "the parameters cannot be read; encode them for a URL",
            )),
        }
    }
}

/// An attempt of an instance, not yet looked up.
pub(super) struct Named {
    pub(super) id: String,
    pub(super) attempt: Attempt,
    /// The path's part behind the instance, where the route has one.
    pub(super) step: Option<String>,
    pub(super) params: Params,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Ok(path) = RawPathParams::from_request_parts(parts, state).await else {
            return Err(wrong("the path is not UTF-8; encode ids as UTF-8"));
        };
        let part = |name| {
            let mut parts = path.iter();
            parts.find_map(|(given, value)| (given == name).then(|| value.to_owned()))
        };
        let id = part("id").unwrap_or_default();
        if id.contains('\0') {
            return Err(wrong("the instance id holds a NUL character; remove it"));
        }
        let params = Params::from_request_parts(parts, state).await?;
        let attempt = match params.first("attempt") {
            None => Attempt::Newest,
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => Attempt::Number(number),
                _ => {
                    return Err(wrong(&format!(
                        "attempt is `{text}`; send a number from 1 on, or nothing for the newest"
                    )));
                }
            },
        };
        Ok(Self {
            id,
            attempt,
            step: part("step"),
            params,
        })
    }
}

/// The same, and the caller may see it: it gave no `username`, or the one that is stored. An
/// instance that has no start or end stored is nobody's.
pub(super) struct Seen(pub(super) Named);

impl FromRequestParts<History> for Seen {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, history: &History) -> Result<Self, Response> {
        let named = Named::from_request_parts(parts, history).await?;
        let Some(user) = rest::username(&parts.headers) else {
            return Ok(Self(named));
        };
        match history.instance(&named.id, named.attempt).await {
            Ok(instance) if instance.user != user => Err(refused(&Error::no_instance(&named.id))),
            Ok(_) | Err(Error::NotFound(_)) => Ok(Self(named)),
            Err(error) => Err(refused(&error)),
        }
    }
}

/// The tenant of a request that must have one.
pub(super) struct User(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let user = rest::username(&parts.headers).ok_or_else(rest::no_username)?;
        Ok(Self(user.to_owned()))
    }
}
