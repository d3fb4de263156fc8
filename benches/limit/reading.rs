//! How long it takes to find something among more than a million instances.

use std::time::{Duration, Instant};

use flowtrail::proto::{
    InstanceFilter, ListInstancesRequest, ListStepsRequest, ReadSnapshotRequest,
    history_client::HistoryClient,
};
use tonic::transport::Channel;

use crate::{rates::Rounds, rig::Service};

const ROUNDS: usize = 500;
const FEW: usize = 50;
/// Steps of the long instance.
const STEPS: u32 = 1_000;

/// Times in ms.
pub(crate) struct Reading {
    pub(crate) page: Times,
    pub(crate) steps: Times,
    pub(crate) snapshot: Times,
}

pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

pub(crate) async fn measure(service: &Service) -> anyhow::Result<Reading> {
    // one instance with a thousand steps
    let events = (STEPS + 2).to_string();
    let long = [
        "--connections",
        "1",
        "--long-flows",
        "1",
        "--app",
        "long",
        "--events",
        &events,
    ];
    service.load(&long).await?;
    let mut client = HistoryClient::connect(format!("http://{}", service.address)).await?;
    let filter = |app: &str| InstanceFilter {
        user: Some("load".to_owned()),
        app: Some(app.to_owned()),
        ..InstanceFilter::default()
    };
    let found = page(&mut client, filter("long"), String::new()).await?;
    let (ids, _) = found;
    let id = ids.into_iter().next().unwrap_or_default();

    // pages deep inside a list, one after the other
    let filter = InstanceFilter {
        flow_name: Some("order".to_owned()),
        statuses: vec!["Completed".to_owned()],
        ..filter("load")
    };
    let mut times = Vec::with_capacity(ROUNDS);
    let mut next = String::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let (ids, behind) = page(&mut client, filter.clone(), next).await?;
        times.push(begun.elapsed());
        anyhow::ensure!(ids.len() == 50, "a page of {} instances", ids.len());
        next = behind;
    }
    let page = spread(&times);

    let mut times = Vec::with_capacity(FEW);
    for _ in 0..FEW {
        let begun = Instant::now();
        let request = ListStepsRequest {
            instance_id: id.clone(),
            page_size: STEPS,
            ..ListStepsRequest::default()
        };
        let steps = client.list_steps(request).await?.into_inner().steps;
        times.push(begun.elapsed());
        anyhow::ensure!(steps.len() == STEPS as usize, "{} steps", steps.len());
    }
    let steps = spread(&times);

    let mut times = Vec::with_capacity(FEW);
    for _ in 0..FEW {
        let begun = Instant::now();
        let request = ReadSnapshotRequest {
            instance_id: id.clone(),
            ..ReadSnapshotRequest::default()
        };
        let mut pieces = client.read_snapshot(request).await?.into_inner();
        let mut bytes = 0;
        while let Some(piece) = pieces.message().await? {
            bytes += piece.piece.len();
        }
        times.push(begun.elapsed());
        anyhow::ensure!(bytes > 0, "an empty snapshot");
    }
    Ok(Reading {
        page,
        steps,
        snapshot: spread(&times),
    })
}

async fn page(
    client: &mut HistoryClient<Channel>,
    filter: InstanceFilter,
    page: String,
) -> anyhow::Result<(Vec<String>, String)> {
    let request = ListInstancesRequest {
        filter: Some(filter),
        page_size: 50,
        page,
    };
    let response = client.list_instances(request).await?.into_inner();
    let ids = response
        .instances
        .into_iter()
        .map(|instance| instance.instance_id);
    Ok((ids.collect(), response.next_page))
}

fn spread(times: &[Duration]) -> Times {
    let mut rounds = Rounds(times.iter().map(|time| time.as_secs_f64() * 1e3).collect());
    rounds.0.sort_by(f64::total_cmp);
    let at = |percent: usize| rounds.0[(rounds.0.len() - 1) * percent / 100];
    Times {
        p50: at(50),
        p99: at(99),
    }
}
