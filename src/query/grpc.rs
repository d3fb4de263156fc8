//! The service `flowtrail.v1.History`.
//!
//! Answers are bounded: a response stays under the 4 MiB that clients take by default whatever the
//! rows hold, and a payload is read and sent a portion at a time, so that a reader that is slow, or
//! gone, holds a portion and no connection.

mod answer;
mod ask;
mod pieces;
mod rerun;
mod tasks;
mod watch;

use std::{fmt, pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _, future::BoxFuture};
use tonic::{Request, Response, server::NamedService};
use tower::Layer as _;

use super::{Cursor, Error, History, Payload, Telling, watch::Watch};
use crate::{
    proto::{
        self,
        history_server::{History as Rpcs, HistoryServer},
        read_payload_request::Payload as Wanted,
    },
    status::Status,
};
use answer::Bounded;

/// Deletes an instance: rows of attempts and steps deleted, or none when nothing of it is stored.
pub type Delete =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<(u64, u64)>, Status>> + Send + Sync>;

/// The service with what its answers say of events on their way.
pub type Server = Telling<HistoryServer<Service>>;

/// What a call with several responses answers with.
type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, tonic::Status>> + Send + 'static>>;
type Answer<T> = Result<Response<T>, tonic::Status>;

/// The service over the stored instances.
pub struct Service {
    history: History,
    delete: Delete,
    watch: Watch,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// The service; its watches end with `watch`.
#[must_use]
pub fn service(history: History, delete: Delete, watch: Watch) -> Server {
    let pending = history.pending.clone();
    pending.layer(HistoryServer::new(Service {
        history,
        delete,
        watch,
    }))
}

impl<S: NamedService> NamedService for Telling<S> {
    const NAME: &'static str = S::NAME;
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        error.status().into()
    }
}

#[tonic::async_trait]
impl Rpcs for Service {
    async fn list_instances(
        &self,
        request: Request<proto::ListInstancesRequest>,
    ) -> Answer<proto::ListInstancesResponse> {
        let request = request.into_inner();
        let filter = ask::filter(request.filter)?;
        let limit = ask::page_size(request.page_size, 50)?;
        let after = match &*request.page {
            "" => None,
            page => Some(Cursor::decode(page)?),
        };
        let page = self
            .history
            .instances(&filter, after.as_ref(), limit)
            .await?;
        Ok(Response::new(proto::ListInstancesResponse {
            instances: page.instances.into_iter().map(answer::instance).collect(),
            next_page: page.next.map(|next| next.encode()).unwrap_or_default(),
        }))
    }

    async fn get_instance(
        &self,
        request: Request<proto::GetInstanceRequest>,
    ) -> Answer<proto::GetInstanceResponse> {
        let proto::GetInstanceRequest {
            instance_id,
            attempt,
        } = request.into_inner();
        let attempt = ask::attempt(attempt);
        let detail = self.history.detail(&instance_id, attempt).await?;
        Ok(Response::new(answer::detail(detail)))
    }

    type ReadPayloadStream = Responses<proto::ReadPayloadResponse>;

    async fn read_payload(
        &self,
        request: Request<proto::ReadPayloadRequest>,
    ) -> Answer<Self::ReadPayloadStream> {
        let request = request.into_inner();
        let payload = match request.payload() {
            Wanted::Input => {
                // what a rerun of the whole flow begins with
                self.history.complete()?;
                Payload::Input
            }
            Wanted::Output => Payload::Output,
            Wanted::Unspecified => {
                let problem = "is not set; send PAYLOAD_INPUT or PAYLOAD_OUTPUT";
                return Err(Error::invalid("payload", problem).into());
            }
        };
        let attempt = ask::attempt(request.attempt);
        let pieces =
            pieces::payload(self.history.clone(), request.instance_id, attempt, payload).await?;
        let responses = pieces.map(|piece| Ok(proto::ReadPayloadResponse { piece: piece? }));
        Ok(Response::new(Box::pin(responses)))
    }

    async fn list_steps(
        &self,
        request: Request<proto::ListStepsRequest>,
    ) -> Answer<proto::ListStepsResponse> {
        let request = request.into_inner();
        let limit = ask::page_size(request.page_size, 1_000)?;
        let (id, attempt) = (&request.instance_id, ask::attempt(request.attempt));
        let history = &self.history;
        let mut steps = history.steps(id, attempt, request.after, limit + 1).await?;
        if steps.is_empty() && request.after.is_none() && !history.is_stored(id).await? {
            return Err(Error::no_instance(id).into());
        }
        let mut more = steps.len() > limit as usize;
        steps.truncate(limit as usize);
        let found = steps.len();
        let steps: Vec<_> = steps.into_iter().map(answer::step).bounded().collect();
        more |= steps.len() < found;
        Ok(Response::new(proto::ListStepsResponse { steps, more }))
    }

    type ReadStepStream = Responses<proto::ReadStepResponse>;

    async fn read_step(
        &self,
        request: Request<proto::ReadStepRequest>,
    ) -> Answer<Self::ReadStepStream> {
        let request = request.into_inner();
        let attempt = ask::attempt(request.attempt);
        let (history, id) = (self.history.clone(), request.instance_id);
        let (step, pieces) = pieces::step(history, id, attempt, request.step_id).await?;
        let mut step = Some(answer::step(step));
        let responses = pieces.map(move |piece| {
            Ok(proto::ReadStepResponse {
                piece: piece?,
                step: step.take(),
            })
        });
        Ok(Response::new(Box::pin(responses)))
    }

    async fn list_tasks(
        &self,
        request: Request<proto::ListTasksRequest>,
    ) -> Answer<proto::ListTasksResponse> {
        let page = tasks::list(&self.history, request.into_inner()).await?;
        Ok(Response::new(page))
    }

    type ReadSnapshotStream = Responses<proto::ReadSnapshotResponse>;

    async fn read_snapshot(
        &self,
        request: Request<proto::ReadSnapshotRequest>,
    ) -> Answer<Self::ReadSnapshotStream> {
        let state = rerun::snapshot(&self.history, request.into_inner()).await?;
        let responses = pieces::whole(state).map(|piece| Ok(proto::ReadSnapshotResponse { piece }));
        Ok(Response::new(Box::pin(responses)))
    }

    async fn list_attempts(
        &self,
        request: Request<proto::ListAttemptsRequest>,
    ) -> Answer<proto::ListAttemptsResponse> {
        let attempts = self
            .history
            .attempts(&request.into_inner().instance_id)
            .await?;
        let attempts = attempts
            .into_iter()
            .map(answer::attempt)
            .bounded()
            .collect();
        Ok(Response::new(proto::ListAttemptsResponse { attempts }))
    }

    async fn get_lineage(
        &self,
        request: Request<proto::GetLineageRequest>,
    ) -> Answer<proto::GetLineageResponse> {
        let lineage = self
            .history
            .lineage(&request.into_inner().instance_id)
            .await?;
        let originals = lineage.originals.into_iter().map(answer::instance);
        let reruns = lineage.reruns.into_iter().map(answer::instance);
        Ok(Response::new(proto::GetLineageResponse {
            originals: originals.collect(),
            original_missing: lineage.original_missing,
            reruns: reruns.bounded().collect(),
        }))
    }

    async fn get_catalogue(
        &self,
        request: Request<proto::GetCatalogueRequest>,
    ) -> Answer<proto::GetCatalogueResponse> {
        let proto::GetCatalogueRequest { user, app } = request.into_inner();
        let apps = self
            .history
            .catalogue(user.as_deref(), app.as_deref())
            .await?;
        Ok(Response::new(answer::catalogue(apps)))
    }

    async fn plan_rerun(
        &self,
        request: Request<proto::PlanRerunRequest>,
    ) -> Answer<proto::PlanRerunResponse> {
        let plan = rerun::plan(&self.history, request.into_inner()).await?;
        Ok(Response::new(plan))
    }

    type WatchInstancesStream = Responses<proto::WatchInstancesResponse>;

    async fn watch_instances(
        &self,
        request: Request<proto::WatchInstancesRequest>,
    ) -> Answer<Self::WatchInstancesStream> {
        let filter = ask::filter(request.into_inner().filter)?;
        let responses = watch::responses(self.history.clone(), filter, self.watch.subscribe());
        Ok(Response::new(Box::pin(responses)))
    }

    async fn delete_instance(
        &self,
        request: Request<proto::DeleteInstanceRequest>,
    ) -> Answer<proto::DeleteInstanceResponse> {
        let id = request.into_inner().instance_id;
        super::filter::check_id("instance_id", &id)?;
        let Some((attempts, steps)) = (self.delete)(id.clone()).await? else {
            return Err(Error::no_instance(&id).into());
        };
        Ok(Response::new(proto::DeleteInstanceResponse {
            attempts,
            steps,
        }))
    }
}
