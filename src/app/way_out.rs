//! The way out: the faces that answer questions, and what tells watchers.

use std::sync::Arc;

use super::{Base, way_in::WayIn};
use crate::{
    ingest::erase::Eraser,
    query::{self, History, Pending, rest::stream, watch::Watch},
};

/// The open way out.
pub(super) struct WayOut {
    pub(super) history: query::grpc::Server,
    pub(super) rest: axum::Router,
}

impl Base<'_> {
    /// Starts what tells watchers, here and at other servers.
    pub(super) fn way_out(&self, way_in: &WayIn) -> WayOut {
        let (tell, lifecycle) = (&way_in.tell, self.lifecycle);
        let stopping = lifecycle.stopping().clone();
        let (watch, line) = Watch::new(self.connector.clone(), tell.names.clone(), stopping);
        lifecycle.spawn(line.run(self.last.clone()));
        let clients = self.config.listen.max_connections;
        let steps = self.config.rest.streaming_step.then(|| {
            let contents = tell.contents.clone();
            stream::Steps::new(contents, self.pool.clone(), clients, lifecycle.clone())
        });
        let pending = Pending::new(self.pending());
        let history = History::new(self.pool.clone()).with_pending(pending);
        WayOut {
            rest: query::rest::routes(history.clone()).merge(stream::routes(steps)),
            history: query::grpc::service(history, deletion(way_in.eraser.clone()), watch),
        }
    }
}

/// Deletes whoever's instance it is.
fn deletion(eraser: Eraser) -> query::grpc::Delete {
    Arc::new(move |instance| {
        let eraser = eraser.clone();
        Box::pin(async move {
            let deleted = eraser.delete(&instance, None).await;
            let deleted = deleted.map_err(|error| error.status())?;
            Ok(deleted.map(|rows| (rows.attempts, rows.steps)))
        })
    })
}
