//! `GET /v1/stream/steps`: every step that this server commits, to every client, over a WebSocket
//! (contract, section 1.8): one text frame a step, its JSON and a line end.
//!
//! - `app`, `user` and `flowinstanceid` in the query say which steps; without them all are sent. There
//!   is no replay. Content that is not UTF-8 has no text frame and is left out, as is no content.
//! - Nobody waits for a client: who falls behind what the lanes keep for listeners is closed with
//!   1008 and told why; who says nothing for a minute, not even to a ping, is closed too.
//! - A client holds what it is being sent, at most one entry of what the lanes tell, 1 MiB.

mod apps;
mod session;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{
        Query, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
    routing::get,
};
use http::{HeaderValue, StatusCode};
use tokio::sync::{Semaphore, broadcast};

use apps::Apps;
use session::Session;

use crate::{event::Committed, lifecycle::Lifecycle, pg::Pool, rest};

/// Bytes of a message from a client, which has nothing to say.
const MESSAGE_BYTES: usize = 64 << 10;

/// What the route needs.
#[derive(Clone)]
pub struct Steps {
    committed: broadcast::Sender<Arc<Committed>>,
    apps: Apps,
    clients: Arc<Semaphore>,
    lifecycle: Lifecycle,
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.clients.available_permits();
        write!(f, "Steps {{ further clients: {clients} }}")
    }
}

impl Steps {
    /// For what is told through `committed`; the app of a step that does not name one is looked up
    /// through `pool`. At most `clients` at once.
    pub fn new(
        committed: broadcast::Sender<Arc<Committed>>,
        pool: Pool,
        clients: usize,
        lifecycle: Lifecycle,
    ) -> Self {
        Self {
            committed,
            apps: Apps::new(pool),
            clients: Arc::new(Semaphore::new(clients)),
            lifecycle,
        }
    }
}

/// The route; without `steps` it answers that there is none.
pub fn routes(steps: Option<Steps>) -> Router {
    let path = "/v1/stream/steps";
    match steps {
        Some(steps) => Router::new().route(path, get(upgrade)).with_state(steps),
        None => Router::new().route(
            path,
            get(async || rest::text_error(StatusCode::NOT_FOUND, "404 page not found")),
        ),
    }
}

/// Which steps a client wants; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    app: Option<String>,
    user: Option<String>,
    instance: Option<String>,
}

impl Filter {
    fn read(query: Vec<(String, String)>) -> Result<Self, String> {
        let mut filter = Self::default();
        for (name, value) in query {
            let field = match &*name {
                "app" => &mut filter.app,
                "user" => &mut filter.user,
                "flowinstanceid" => &mut filter.instance,
                _ => {
                    return Err(format!(
                        "unknown parameter `{name}`; use app, user or flowinstanceid"
                    ));
                }
            };
            if value.is_empty() {
                return Err(format!(
                    "parameter `{name}` is empty; name one, or leave it out for all"
                ));
            }
            if field.replace(value).is_some() {
                return Err(format!("parameter `{name}` is there twice; name one"));
            }
        }
        Ok(filter)
    }
}

async fn upgrade(
    State(steps): State<Steps>,
    Query(query): Query<Vec<(String, String)>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let mut response = rest::text_error(StatusCode::BAD_REQUEST, "Bad Request");
        let version = HeaderValue::from_static("13");
        response
            .headers_mut()
            .insert("sec-websocket-version", version);
        return response;
    };
    let filter = match Filter::read(query) {
        Ok(filter) => filter,
        Err(sentence) => return rest::text_error(StatusCode::BAD_REQUEST, &sentence),
    };
    let Ok(place) = Arc::clone(&steps.clients).try_acquire_owned() else {
        return rest::text_error(
            StatusCode::SERVICE_UNAVAILABLE,
            "this server has all the clients it takes (--max-connections); try another",
        );
    };
    // From here on nothing is missed.
    let session = Session {
        committed: steps.committed.subscribe(),
        filter,
        apps: steps.apps,
        stopping: steps.lifecycle.stopping().clone(),
    };
    upgrade
        .max_message_size(MESSAGE_BYTES)
        .on_upgrade(async move |socket| {
            steps.lifecycle.spawn(async move {
                session.run(socket).await;
                drop(place);
            });
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Filter, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Filter::read(query.iter().map(own).collect())
    }

    #[test]
    fn a_query_is_a_filter_and_what_is_wrong_with_it_is_named() {
        let all = read(&[("app", "a"), ("user", "u"), ("flowinstanceid", "i")]);
        let expected = Filter {
            app: Some("a".into()),
            user: Some("u".into()),
            instance: Some("i".into()),
        };
        assert_eq!(all, Ok(expected));
        assert_eq!(read(&[]), Ok(Filter::default()));
        let check = |query: &[_], word| {
            let sentence = read(query).expect_err("a problem");
            assert!(sentence.contains(word), "{sentence}");
        };
        check(&[("App", "a")], "unknown parameter `App`");
        check(&[("app", "")], "`app` is empty");
        check(&[("user", "a"), ("user", "b")], "`user` is there twice");
    }
}
