//! A stand-in for an engine's tester service: it answers as the real one does, and remembers what it
//! was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// Paths and bodies in the order in which they came.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// An engine on a free port.
pub(super) struct Engine {
    pub(super) url: String,
    asked: Asked,
    serving: JoinHandle<()>,
}

impl Engine {
    /// One that answers every request in this way.
    pub(super) async fn answering(status: u16, body: &'static str) -> Self {
        let asked = Asked::default();
        let answer = async move |State(asked): State<Asked>, uri: Uri, body_: String| {
            asked.lock().unwrap().push((uri.path().to_owned(), body_));
            (StatusCode::from_u16(status).unwrap(), body)
        };
        let router = Router::new()
            .route("/flow/start", post(answer))
            .route("/flow/restart", post(answer))
            .with_state(Arc::clone(&asked));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the stand-in, which the test holds"
        )]
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            asked,
            serving,
        }
    }

    /// What it was asked since the last time: path, text and value of the body.
    pub(super) fn asked(&self) -> Vec<(String, String, Value)> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let read = |(path, body): (String, String)| {
            let value = serde_json::from_str(&body).expect("JSON");
            (path, body, value)
        };
        asked.into_iter().map(read).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
