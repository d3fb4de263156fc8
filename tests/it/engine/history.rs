//! What the tables hold of the flow `ten`, of which there are many.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::expected;

/// The flow.
pub(super) const TEN: &str = "ten";
/// What it reports: a start, its steps, an end.
pub(super) const EVENTS: u64 = 13;

/// The rows of an instance.
#[derive(Debug)]
pub(super) struct Instance {
    status: String,
    ended: bool,
    /// When it began, in µs.
    pub(super) started: i64,
    /// Task and status of each step, in order.
    tasks: String,
    /// How many there are, and the number of the last.
    steps: i64,
    last: i32,
}

impl Instance {
    /// Everything was recorded, from the start to the end.
    pub(super) fn complete(&self, flow: &str) -> bool {
        let tasks = expected::steps(flow, 0);
        let tasks = tasks
            .iter()
            .map(|[_, _, task, status]| format!("{task} {status}"));
        self.ended() && self.gapless() && self.tasks == tasks.collect::<Vec<_>>().join(", ")
    }

    /// Nothing is missing before the last that was recorded.
    pub(super) fn gapless(&self) -> bool {
        self.steps == i64::from(self.last) + 1
    }

    /// Its end was recorded.
    pub(super) fn ended(&self) -> bool {
        self.status == "Completed" && self.ended
    }
}

const INSTANCES: &str = "
    select (convert_from(flowinput, 'UTF8')::json->>'number')::bigint, status, flowoutput is not null,
      (extract(epoch from starttime) * 1000000)::bigint, coalesce(tasks, ''), steps, coalesce(last, -1)
    from public.flowstate, lateral (
      select string_agg(taskname || ' ' || status, ', ' order by stepid::int) as tasks, count(*) as steps,
        max(stepid::int) as last
      from public.steps where steps.flowinstanceid = flowstate.flowinstanceid) as of_it
    where userid = $1 and flowinput is not null";

/// Every instance of `user` whose start is recorded, by the number it was given.
pub(super) async fn instances(client: &Client, user: &str) -> BTreeMap<u64, Instance> {
    let mut instances = BTreeMap::new();
    for row in client.query(INSTANCES, &[&user]).await.unwrap() {
        let instance = Instance {
            status: row.get(1),
            ended: row.get(2),
            started: row.get(3),
            tasks: row.get(4),
            steps: row.get(5),
            last: row.get(6),
        };
        let number = row
            .get::<_, Option<i64>>(0)
            .expect("every flow has a number");
        let number = u64::try_from(number).expect("a number from 0 on");
        let before = instances.insert(number, instance);
        assert!(before.is_none(), "number {number} twice: {before:?}");
    }
    instances
}

/// The flows numbered from 0 to `flows` are there, each complete and once, and nothing else is.
pub(super) async fn complete(client: &Client, user: &str, flows: u64) {
    let instances = instances(client, user).await;
    assert!(
        instances.keys().copied().eq(0..flows),
        "{} of {flows} are there",
        instances.len()
    );
    for (number, instance) in &instances {
        assert!(instance.complete(TEN), "{number}: {instance:?}");
    }
}

/// Rows that are not there when everything was reported and is kept once: copies of steps and of
/// instances, irregular attempts, steps of no instance, instances without a start.
pub(super) async fn copies(client: &Client) -> [i64; 5] {
    let sql = "select array[(select count(*) from flowtrail.past_steps), (select count(*) from flowtrail.past_flowstate),
      (select count(*) from flowtrail.attempts),
      (select count(*) from public.steps where flowinstanceid not in (select flowinstanceid from public.flowstate)),
      (select count(*) from public.flowstate where flowinput is null)]";
    let counts: Vec<i64> = client.query_one(sql, &[]).await.unwrap().get(0);
    counts.try_into().expect("five counts")
}
