//! How long a page of instances takes: a million instances of ten steps in the embedded PostgreSQL,
//! every filter, its first, its middle and its last page, over gRPC. A statement is parsed and planned
//! each time, so none is warm. Prints a table, the sizes of the indexes, and the plans.
//!
//! `BENCH_INSTANCES`, `BENCH_ROUNDS` and `BENCH_PAGE` change the size; `BENCH_PLANS=1` adds the plans.

#![expect(clippy::print_stdout, reason = "a program that prints times")]

mod rows;
mod shapes;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use flowtrail::{
    app::Running,
    proto::{InstanceFilter, ListInstancesRequest, history_client::HistoryClient},
};
use support::number;
use tonic::transport::Channel;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(support::with_server(measure))
}

async fn measure(service: &Running) -> anyhow::Result<()> {
    let instances = number("BENCH_INSTANCES", 1_000_000);
    let rounds = number("BENCH_ROUNDS", 200).max(1);
    let size = u32::try_from(number("BENCH_PAGE", 50))?;
    let began = Instant::now();
    rows::fill(service.pool(), instances).await?;
    println!(
        "{instances} instances of 10 steps, made in {} s; pages of {size}, {rounds} rounds each; ms\n",
        began.elapsed().as_secs()
    );

    let address = format!("http://{}", service.local_addr());
    let mut asker = Asker {
        client: HistoryClient::connect(address).await?,
        size,
        rounds,
    };
    println!("| filter | instances | first p50 | p99 | middle p50 | p99 | last p50 | p99 |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, filter) in shapes::all(instances) {
        let walk = asker.walk(&filter).await?;
        let mut cells = Vec::new();
        for page in [&walk.first, &walk.middle, &walk.last] {
            let [median, slow] = asker.measure(&filter, page).await?;
            cells.push(format!("{median:.1} | {slow:.1}"));
        }
        println!("| {name} | {} | {} |", walk.found, cells.join(" | "));
    }
    println!("\n{}", rows::sizes(service.pool()).await?);
    if number("BENCH_PLANS", 0) > 0 {
        rows::plans(service.pool()).await?;
    }
    Ok(())
}

/// Where the pages of a list begin.
struct Walk {
    found: usize,
    first: String,
    middle: String,
    last: String,
}

struct Asker {
    client: HistoryClient<Channel>,
    size: u32,
    rounds: usize,
}

impl Asker {
    async fn page(
        &mut self,
        filter: &InstanceFilter,
        page: &str,
        page_size: u32,
    ) -> anyhow::Result<(usize, String)> {
        let request = ListInstancesRequest {
            filter: Some(filter.clone()),
            page_size,
            page: page.to_owned(),
        };
        let response = self.client.list_instances(request).await?.into_inner();
        Ok((response.instances.len(), response.next_page))
    }

    /// Reads the whole list in large pages, and the last of those in small ones.
    async fn walk(&mut self, filter: &InstanceFilter) -> anyhow::Result<Walk> {
        let mut begins = vec![String::new()];
        let mut found = 0;
        loop {
            let page = begins.last().cloned().unwrap_or_default();
            let (count, next) = self.page(filter, &page, 1_000).await?;
            found += count;
            if next.is_empty() {
                break;
            }
            begins.push(next);
        }
        let mut last = begins.last().cloned().unwrap_or_default();
        loop {
            let (_, next) = self.page(filter, &last, self.size).await?;
            if next.is_empty() {
                break;
            }
            last = next;
        }
        Ok(Walk {
            found,
            first: String::new(),
            middle: begins[begins.len() / 2].clone(),
            last,
        })
    }

    /// Median and p99 in ms.
    async fn measure(&mut self, filter: &InstanceFilter, page: &str) -> anyhow::Result<[f64; 2]> {
        let mut times = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            let began = Instant::now();
            self.page(filter, page, self.size).await?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        Ok([at(50), at(99)].map(|time: Duration| time.as_secs_f64() * 1e3))
    }
}
