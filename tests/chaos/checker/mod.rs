//! Compares every acknowledged event with the tables, byte by byte.
//!
//! What was sent is told again from the seed, what was acknowledged stands in the ledgers. For each
//! family the checker finds out which events the rows show. Acknowledged ones must be among them,
//! those that were never sent or were left out must not, unanswered ones may or may not; and the
//! rows must be exactly what these events make.
//!
//! ```text
//! row       every column of a row
//! expected  the rows for a set of events; code of its own
//! judge     one family
//! ```

mod expected;
mod judge;
mod row;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_postgres::Client;

use self::{
    expected::Rows,
    judge::Case,
    row::{FLOW, Flow, STEP, StepRow},
};
use super::load::{self, Emission, Family, Standing};

/// Families read from the tables at once.
const BATCH: usize = 200;

/// What two writers left undone is put right within this time, also where a sweep was just waiting
/// for a line that has fallen silent.
const SWEPT: Duration = Duration::from_secs(90);

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// Acknowledged and not stored.
    Lost,
    /// There once more than it should be.
    Duplicated,
    /// Stored in another way than it was sent.
    Altered,
    /// Never answered, or an acknowledged end that does not show.
    Stuck,
}

/// One thing that is wrong, with the ids it is about.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) wrong: Wrong,
    pub(crate) text: String,
}

/// What a check saw.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    /// Events that were acknowledged as recorded, and compared.
    pub(crate) compared: u64,
    /// Events that were not answered, or in a way that leaves it open.
    pub(crate) open: u64,
    /// Rows of all four tables.
    pub(crate) rows: u64,
}

impl Verdict {
    /// How many findings there are of a kind.
    pub(crate) fn count(&self, wrong: Wrong) -> usize {
        let of = |finding: &&Finding| finding.wrong == wrong;
        self.findings.iter().filter(of).count()
    }
}

/// A check in progress.
struct Check<'a> {
    database: &'a Client,
    verdict: Verdict,
    waiting: Vec<Case>,
    /// What did not look right at first: another look is taken once the sweeps have passed.
    doubtful: Vec<Case>,
}

/// Compares what `clients` sent and what they were told with the tables.
pub(crate) async fn check(database: &Client, clients: &[load::Client]) -> Verdict {
    let mut check = Check {
        database,
        verdict: Verdict::default(),
        waiting: Vec::new(),
        doubtful: Vec::new(),
    };
    for client in clients {
        check.client(client).await;
    }
    check.judge(true).await;
    let began = Instant::now();
    while !check.doubtful.is_empty() && began.elapsed() < SWEPT {
        // what two writers did not see of each other is put right by a sweep every second
        tokio::time::sleep(Duration::from_secs(1)).await;
        let doubtful = std::mem::take(&mut check.doubtful);
        for some in doubtful.chunks(BATCH) {
            check.waiting = some.to_vec();
            check.judge(false).await;
        }
    }
    for case in std::mem::take(&mut check.doubtful) {
        let found = check.found(std::slice::from_ref(&case)).await;
        check.verdict.findings.extend(case.judge(&found[0]));
    }
    check.totals().await;
    check.verdict
}

impl Check<'_> {
    /// Goes through everything a client sent, in its order.
    async fn client(&mut self, client: &load::Client) {
        let mut emission = Emission::new(client.teller.clone());
        let source = client.teller.source();
        let mut open: HashMap<u64, Case> = HashMap::new();
        let chunks = client.ledger.lock().expect("clients have ended").chunks();
        for number in 0..chunks {
            let events = emission.chunk();
            let standing = self.standing(client, number, &events);
            let mut told = Vec::new();
            for event in events {
                let case = open
                    .entry(event.number)
                    .or_insert_with(|| Case::new(&event.family, &source));
                case.standings[event.at.0][event.at.1] = standing;
                let last = event.family.order.last() == Some(&event.at);
                if last {
                    told.push(event.number);
                }
            }
            let told = told.iter().filter_map(|number| open.remove(number));
            self.waiting.extend(told);
            if self.waiting.len() >= BATCH {
                self.judge(true).await;
            }
        }
        self.waiting.extend(open.into_values());
    }

    fn standing(
        &mut self,
        client: &load::Client,
        number: usize,
        events: &[load::Event],
    ) -> Standing {
        let ledger = client.ledger.lock().expect("clients have ended");
        let standing = ledger.standing(number);
        let count = u64::try_from(events.len()).expect("a count");
        match standing {
            Standing::Kept => self.verdict.compared += count,
            Standing::Open => self.verdict.open += count,
            Standing::Absent => {}
        }
        for ((_, index), reason) in ledger.rejected.range((number, 0)..(number + 1, 0)) {
            let at = usize::try_from(*index).unwrap_or(usize::MAX);
            let id = events.get(at).map_or("", |event| &event.instance().id);
            self.verdict.findings.push(Finding {
                wrong: Wrong::Lost,
                text: format!("{id}: an event without a fault was rejected: {reason}"),
            });
        }
        standing
    }

    /// Judges the cases that wait.
    async fn judge(&mut self, first: bool) {
        let cases = std::mem::take(&mut self.waiting);
        for cases in cases.chunks(BATCH) {
            let found = self.found(cases).await;
            for (case, found) in cases.iter().zip(&found) {
                if first {
                    self.verdict.rows += found.iter().map(Rows::count).sum::<u64>();
                }
                if !case.judge(found).is_empty() {
                    self.doubtful.push(case.clone());
                }
            }
        }
    }

    /// The rows of each instance of each case.
    async fn found(&self, cases: &[Case]) -> Vec<Vec<Rows>> {
        let families = cases.iter().map(|case| &case.family);
        let instances = families.clone().flat_map(|family| &family.instances);
        let ids: Vec<&str> = instances.map(|instance| &*instance.id).collect();
        let rows = async |columns: &str, table: &str| {
            let sql = format!("select {columns} from {table} where flowinstanceid = any ($1)");
            let rows = self.database.query(&sql, &[&ids]).await;
            rows.expect("the database can be read when all is over")
        };
        let mut found: HashMap<String, Rows> = HashMap::new();
        for row in rows(FLOW, "public.flowstate").await {
            let row = Flow::read(&row);
            found
                .entry(row.instance.clone())
                .or_default()
                .flows
                .push(row);
        }
        for row in rows(FLOW, "flowtrail.past_flowstate").await {
            let row = Flow::read(&row);
            found
                .entry(row.instance.clone())
                .or_default()
                .past_flows
                .push(row);
        }
        for row in rows(STEP, "public.steps").await {
            let row = StepRow::read(&row);
            found
                .entry(row.instance.clone())
                .or_default()
                .steps
                .push(row);
        }
        for row in rows(STEP, "flowtrail.past_steps").await {
            let row = StepRow::read(&row);
            found
                .entry(row.instance.clone())
                .or_default()
                .past_steps
                .push(row);
        }
        let of = |family: &Arc<Family>| {
            let ids = family.instances.iter().map(|instance| &instance.id);
            let rows = ids.map(|id| found.get(id).cloned().unwrap_or_default());
            rows.map(Rows::sorted).collect()
        };
        families.map(of).collect()
    }

    /// Rows of instances that nobody told of.
    async fn totals(&mut self) {
        let sql = "select (select count(*) from public.flowstate) + (select count(*) from public.steps)
            + (select count(*) from flowtrail.past_flowstate) + (select count(*) from flowtrail.past_steps)";
        let row = self.database.query_one(sql, &[]).await;
        let total: i64 = row
            .expect("the database can be read when all is over")
            .get(0);
        let total = u64::try_from(total).expect("a count");
        if total != self.verdict.rows {
            let text = format!(
                "{total} rows are stored, {} were read by instance",
                self.verdict.rows
            );
            let wrong = Wrong::Duplicated;
            self.verdict.findings.push(Finding { wrong, text });
        }
    }
}

impl Case {
    fn new(family: &Arc<Family>, source: &load::Source) -> Self {
        let count = |instance: &load::Instance| vec![Standing::Absent; instance.events.len()];
        Self {
            standings: family.instances.iter().map(count).collect(),
            family: Arc::clone(family),
            source: source.clone(),
        }
    }
}

impl Rows {
    fn count(&self) -> u64 {
        let rows =
            self.flows.len() + self.past_flows.len() + self.steps.len() + self.past_steps.len();
        u64::try_from(rows).expect("a count")
    }

    fn sorted(mut self) -> Self {
        self.sort();
        self
    }
}
