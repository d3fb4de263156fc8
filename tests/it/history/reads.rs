//! How many rows of the tables a question reads: about those it shows, however many there are. A plan
//! that goes through a table, or through what an index should have left out, reads more.

use flowtrail::{
    pg,
    query::{Attempt, Cursor, Filter, History, Page},
};

use crate::support::{self, TestDatabase};

/// 24,000 instances of 4 apps, 3 versions of 5 flows each, on 10 hosts; 0.8 % failed, 40 are reruns
/// of `i1`. 2,000 have ten steps each; `long` has 5,000, one of which is missing.
const ROWS: &str = "
    insert into public.flowstate
      (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, executiontime, status, rerunofflowinstanceid)
    select
      'i' || n, 'acme', 'app-' || n % 4, '1.' || n / 4 % 3, 'flow-' || n / 12 % 5, 'host-' || n / 60 % 10,
      '2026-01-01'::timestamp + n * interval '1 second', '5.000',
      case when n % 500 < 4 then 'Failed' else 'Completed' end,
      case when n % 600 = 1 then 'i1' else '' end
    from generate_series(0, 23999) n;
    insert into public.steps (flowinstanceid, stepid, taskname, status, starttime, stepdata)
    select 'i' || n, step, 'task', 'Completed', '2026-01-01', '{}'
    from generate_series(0, 1999) n, generate_series(0, 9) step;
    insert into public.steps (flowinstanceid, stepid, taskname, status, starttime, stepdata)
    select 'long', step, 'task', 'Completed', '2026-01-01', '{}'
    from generate_series(0, 4999) step where step <> 4100;
    analyze public.flowstate, public.steps";

/// Instances on a page.
const PAGE: u32 = 50;
/// One more is read, which tells whether there is another page.
const WALK: i64 = PAGE as i64 + 1;
/// Rows that jumps from app to app and from version to version may read.
const JUMPS: i64 = 100;

struct World {
    history: History,
    pool: pg::Pool,
    _database: TestDatabase,
}

impl World {
    /// With one connection, which counts what it reads.
    async fn new() -> Self {
        let database = support::database().await;
        database.client().await.batch_execute(ROWS).await.unwrap();
        let options = flowtrail::config::Database {
            pool_size: 1,
            ..database.options()
        };
        let pool = pg::pool(&database.connector(), &options);
        Self {
            history: History::new(pool.clone()),
            pool,
            _database: database,
        }
    }

    /// Rows of `table` read so far, through an index or without.
    async fn rows_read(&self, table: &str) -> i64 {
        let client = self.pool.get().await.unwrap();
        let flush = client.batch_execute("select pg_stat_force_next_flush()");
        flush.await.expect("PostgreSQL 15 or newer");
        let count = "select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables
            where schemaname = 'public' and relname = $1";
        client.query_one(count, &[&table]).await.unwrap().get(0)
    }

    /// Checks how many rows the first page reads, and one further on where there is one, and how many
    /// instances the first one shows.
    async fn check(&self, filter: &Filter, most: i64, shown: usize) {
        let first = self.page(filter, None, most).await;
        assert_eq!(first.instances.len(), shown, "{filter:?}");
        let passed = self.history.instances(filter, first.next.as_ref(), 1_000);
        if let Some(further) = passed.await.unwrap().next {
            self.page(filter, Some(&further), most).await;
        }
    }

    async fn page(&self, filter: &Filter, after: Option<&Cursor>, most: i64) -> Page {
        let before = self.rows_read("flowstate").await;
        let page = self.history.instances(filter, after, PAGE).await.unwrap();
        let read = self.rows_read("flowstate").await - before;
        let shown = i64::try_from(page.instances.len()).unwrap();
        let about = (shown..=most).contains(&read);
        assert!(about, "{read} rows of {filter:?} behind {after:?}");
        page
    }
}

/// The instances of one app.
fn of_app() -> Filter {
    Filter {
        user: Some("acme".into()),
        app: Some("app-1".into()),
        ..Filter::default()
    }
}

/// A filter, changed.
type Change<'a> = &'a dyn Fn(&mut Filter);

fn statuses(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[tokio::test]
async fn a_page_of_an_app_is_one_walk_in_an_index() {
    let world = World::new().await;
    let check = async |shown, change: Change<'_>| {
        let mut filter = of_app();
        change(&mut filter);
        world.check(&filter, WALK, shown).await;
    };
    check(50, &|_| ()).await;
    check(50, &|f| f.version = Some("1.2".into())).await;
    check(50, &|f| f.host = Some("host-3".into())).await;
    check(50, &|f| {
        (f.version, f.flow) = (Some("1.2".into()), Some("flow-3".into()));
    })
    .await;
    check(50, &|f| {
        (f.from_text, f.through_text) = (
            Some("2026-01-01 01:00".into()),
            Some("2026-01-01 02:00".into()),
        );
    })
    .await;
    check(50, &|f| f.statuses = statuses(&["Completed"])).await;
    check(48, &|f| f.statuses = statuses(&["Failed"])).await;
    check(40, &|f| f.original = Some("i1".into())).await;
    check(0, &|f| f.flow = Some("no such".into())).await;
}

#[tokio::test]
async fn a_page_of_several_apps_or_versions_is_a_walk_for_each() {
    let world = World::new().await;
    let check = async |walks, shown, change: Change<'_>| {
        let mut filter = Filter::default();
        change(&mut filter);
        world.check(&filter, walks * WALK + JUMPS, shown).await;
    };
    // of each app
    check(4, 50, &|_| ()).await;
    check(4, 50, &|f| f.user = Some("acme".into())).await;
    check(4, 50, &|f| f.statuses = statuses(&["Failed"])).await;
    check(1, 48, &|f| {
        *f = of_app();
        f.statuses = statuses(&["Failed", "Cancelled", "Started"]);
    })
    .await;
    // of each version
    check(3, 50, &|f| {
        *f = of_app();
        f.flow = Some("flow-3".into());
    })
    .await;
    check(12, 50, &|f| f.flow = Some("flow-3".into())).await;
}

#[tokio::test]
async fn what_is_asked_of_an_instance_reads_that_instance() {
    let world = World::new().await;
    let read = async |id, after, ids: &[u32]| {
        let before = world.rows_read("steps").await;
        let newest = Attempt::default();
        let steps = world.history.steps(id, newest, after, PAGE).await.unwrap();
        assert!(steps.iter().map(|step| step.id).eq(ids.iter().copied()));
        world.rows_read("steps").await - before
    };
    let all: Vec<u32> = (0..5_000).filter(|&step| step != 4_100).collect();
    assert_eq!(read("i7", None, &all[..10]).await, 10);
    // far behind the first ones those that follow are asked for
    assert_eq!(read("long", Some(4_001), &all[4_002..4_052]).await, 50);
    // unless one is missing, or there is an end
    assert_eq!(
        read("long", Some(4_079), &all[4_080..4_130]).await,
        4_999 + 49
    );
    assert_eq!(read("long", Some(4_989), &all[4_989..]).await, 4_999 + 10);
    assert_eq!(read("long", Some(4_999), &[]).await, 4_999);

    let before = world.rows_read("steps").await;
    let newest = Attempt::default();
    world.history.step("i7", newest, 3).await.unwrap();
    assert_eq!(world.rows_read("steps").await - before, 1);
}
