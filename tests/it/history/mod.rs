//! The service `History` over a real server.

mod attempts;
mod detail;
mod invalid;
mod lists;
mod names;
mod payloads;
mod reads;
mod rerun;

use flowtrail::{
    app::Running,
    proto::{
        self, InstanceFilter, ListInstancesRequest, ListStepsRequest, ReadStepRequest,
        history_client::HistoryClient,
    },
};
use tokio_postgres::Client;
use tonic::{Code, transport::Channel};

use crate::support::{self, TestDatabase};

/// A service, its database and a client of it.
struct World {
    service: Running,
    client: HistoryClient<Channel>,
    sql: Client,
    database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let database = support::database().await;
        let service = support::serve(&database.url, &[]).await;
        let address = format!("http://{}", service.local_addr());
        Self {
            client: HistoryClient::connect(address).await.unwrap(),
            sql: database.client().await,
            service,
            database,
        }
    }

    /// A world whose tables were filled by `statement`.
    async fn with(statement: &str) -> Self {
        let world = Self::new().await;
        world.run(statement).await;
        world
    }

    async fn run(&self, statement: &str) {
        self.sql.batch_execute(statement).await.unwrap();
    }

    async fn page(
        &self,
        filter: &InstanceFilter,
        page_size: u32,
        page: &str,
    ) -> Result<proto::ListInstancesResponse, tonic::Status> {
        let request = ListInstancesRequest {
            filter: Some(filter.clone()),
            page_size,
            page: page.to_owned(),
        };
        let response = self.client.clone().list_instances(request).await?;
        Ok(response.into_inner())
    }

    /// The ids of every instance that passes, in pages of `page_size`.
    async fn ids(&self, filter: &InstanceFilter, page_size: u32) -> Vec<String> {
        let (mut ids, mut page) = (Vec::new(), String::new());
        loop {
            let response = self.page(filter, page_size, &page).await.unwrap();
            assert!(response.instances.len() <= page_size as usize);
            ids.extend(response.instances.into_iter().map(|i| i.instance_id));
            page = response.next_page;
            if page.is_empty() {
                return ids;
            }
        }
    }

    async fn steps(&self, id: &str, attempt: u32) -> Vec<proto::Step> {
        let request = ListStepsRequest {
            instance_id: id.to_owned(),
            attempt,
            ..ListStepsRequest::default()
        };
        let response = self.client.clone().list_steps(request).await.unwrap();
        let response = response.into_inner();
        assert!(!response.more);
        response.steps
    }

    /// A step's content, and the sizes of the pieces it came in.
    async fn content(
        &self,
        id: &str,
        attempt: u32,
        step_id: u32,
    ) -> Result<(proto::Step, Vec<u8>, Vec<usize>), tonic::Status> {
        let request = ReadStepRequest {
            instance_id: id.to_owned(),
            attempt,
            step_id,
        };
        let mut responses = self.client.clone().read_step(request).await?.into_inner();
        let (mut step, mut content, mut sizes) = (None, Vec::new(), Vec::new());
        while let Some(response) = responses.message().await? {
            assert_eq!(response.step.is_some(), sizes.is_empty());
            step = step.or(response.step);
            content.extend_from_slice(&response.piece);
            sizes.push(response.piece.len());
        }
        Ok((step.expect("in the first response"), content, sizes))
    }

    async fn end(self) {
        self.service.stop().await.unwrap();
        drop(self.database);
    }
}

/// A call was refused with `code` and a message that names `word`.
fn refused<T: std::fmt::Debug>(answer: Result<T, tonic::Status>, code: Code, word: &str) {
    let status = answer.expect_err(word);
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(word), "{status}, not {word}");
}
