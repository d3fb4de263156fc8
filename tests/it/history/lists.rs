//! Lists of instances: filters, order, pages.

use flowtrail::{
    pg,
    proto::InstanceFilter,
    query::{Filter, History},
};
use prost::Message as _;

use super::World;

/// Two users, three apps, rows of other tools among them: no start time, no user, no app.
const ROWS: &str = "
    insert into public.flowstate
      (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, executiontime, status, rerunofflowinstanceid, flowinput)
    values
      ('a1', 'acme', 'orders', '1', 'main', 'h1', '2026-01-01 00:00:01', '41.335', 'Completed', '', '{}'),
      ('a2', 'acme', 'orders', '1', 'main', 'h2', '2026-01-01 00:00:02', null, 'Created', null, null),
      ('a3', 'acme', 'orders', '2', 'side', 'h1', '2026-01-01 00:00:03', '1500.000', 'Failed', 'a1', null),
      ('a4', 'acme', 'orders', '2', 'main', 'h1', '2026-01-01 00:00:03', '-0.500', 'Cancelled', 'a1', null),
      ('a5', 'acme', 'orders', '2', 'main', 'h1', null, null, 'Completed', '', null),
      ('a6', 'acme', 'orders', '2', 'main', 'h1', null, 'soon', 'Failed', '', null),
      ('b1', 'acme', 'stock', '1', 'main', 'h1', '2026-01-01 00:00:02.5', '7', 'Failed', 'a1', null),
      ('c1', 'zeta', 'orders', '1', 'main', 'h1', 'infinity', null, 'Failed', '', null),
      ('c2', 'zeta', 'orders', '1', 'main', 'h1', '-infinity', null, 'Waiting', '', null),
      ('n1', null, 'orders', '1', 'main', 'h1', '2026-01-01 00:00:04', null, 'Failed', '', null),
      ('n2', 'acme', null, null, null, 'h1', '2026-01-01 00:00:00', null, null, '', null),
      ('e1', '', '', '', '', '', '2026-01-01 00:00:05', null, '', '', null)";

fn at(seconds: i64, nanos: i32) -> prost_types::Timestamp {
    // 2026-01-01
    let seconds = 1_767_225_600 + seconds;
    prost_types::Timestamp { seconds, nanos }
}

fn span(seconds: i64, nanos: i32) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos }
}

/// A filter, changed.
type Change<'a> = &'a dyn Fn(&mut InstanceFilter);

/// The instances of `ROWS` that pass, in pages of several sizes.
async fn check(world: &World, app: Option<&str>, change: Change<'_>, expected: &str) {
    let mut filter = InstanceFilter {
        user: app.map(|_| "acme".into()),
        app: app.map(Into::into),
        ..InstanceFilter::default()
    };
    change(&mut filter);
    for page_size in [1, 2, 50] {
        let ids = world.ids(&filter, page_size).await.join(" ");
        assert_eq!(ids, expected, "{filter:?} in pages of {page_size}");
    }
}

#[tokio::test]
async fn each_name_narrows_the_list() {
    let world = World::with(ROWS).await;
    let orders = async |change: Change<'_>, expected| {
        check(&world, Some("orders"), change, expected).await;
    };
    let any = async |change: Change<'_>, expected| check(&world, None, change, expected).await;
    any(&|_| (), "c1 e1 n1 a4 a3 b1 a2 a1 n2 c2 a6 a5").await;
    any(&|f| f.user = Some("acme".into()), "a4 a3 b1 a2 a1 n2 a6 a5").await;
    any(&|f| f.user = Some(String::new()), "e1").await;
    any(&|f| f.user = Some("nobody".into()), "").await;
    let of_any_user = "c1 n1 a4 a3 a2 a1 c2 a6 a5";
    any(&|f| f.app = Some("orders".into()), of_any_user).await;
    any(&|f| f.host = Some("h2".into()), "a2").await;
    orders(&|_| (), "a4 a3 a2 a1 a6 a5").await;
    orders(&|f| f.app_version = Some("2".into()), "a4 a3 a6 a5").await;
    let main: Change<'_> = &|f| f.flow_name = Some("main".into());
    orders(main, "a4 a2 a1 a6 a5").await;
    any(main, "c1 n1 a4 b1 a2 a1 c2 a6 a5").await;
    let main_failed: Change<'_> = &|f| {
        (f.flow_name, f.statuses) = (Some("main".into()), vec!["Failed".into()]);
    };
    orders(main_failed, "a6").await;
    any(main_failed, "c1 n1 b1 a6").await;
    let main_completed: Change<'_> = &|f| {
        (f.flow_name, f.statuses) = (Some("main".into()), vec!["Completed".into()]);
    };
    orders(main_completed, "a1 a5").await;
    orders(&|f| f.host = Some("h2".into()), "a2").await;
    let both: Change<'_> = &|f| {
        (f.app_version, f.flow_name) = (Some("2".into()), Some("side".into()));
    };
    orders(both, "a3").await;
    let original: Change<'_> = &|f| f.original_instance_id = Some("a1".into());
    any(original, "a4 a3 b1").await;
    orders(original, "a4 a3").await;
    orders(&|f| f.original_instance_id = Some("a2".into()), "").await;
    world.end().await;
}

#[tokio::test]
async fn statuses_and_times_narrow_the_list() {
    let world = World::with(ROWS).await;
    let orders = async |change: Change<'_>, expected| {
        check(&world, Some("orders"), change, expected).await;
    };
    let any = async |change: Change<'_>, expected| check(&world, None, change, expected).await;
    let failed: Change<'_> = &|f| f.statuses = vec!["Failed".into()];
    orders(failed, "a3 a6").await;
    any(failed, "c1 n1 a3 b1 a6").await;
    let several: Change<'_> = &|f| {
        f.statuses = ["Failed", "Cancelled", "Failed", "Started"]
            .map(Into::into)
            .into();
    };
    orders(several, "a4 a3 a6").await;
    let completed: Change<'_> = &|f| f.statuses = vec!["Completed".into()];
    orders(completed, "a1 a5").await;
    any(completed, "a1 a5").await;
    let with_completed: Change<'_> = &|f| f.statuses = vec!["Failed".into(), "Completed".into()];
    orders(with_completed, "a3 a1 a6 a5").await;
    any(with_completed, "c1 n1 a3 b1 a1 a6 a5").await;
    any(several, "c1 n1 a4 a3 b1 a6").await;

    orders(&|f| f.started_from = Some(at(2, 0)), "a4 a3 a2").await;
    any(&|f| f.started_from = Some(at(4, 1_000)), "c1 e1").await;
    orders(&|f| f.started_before = Some(at(3, 0)), "a2 a1").await;
    any(&|f| f.started_before = Some(at(3, 0)), "b1 a2 a1 n2").await;
    let between: Change<'_> = &|f| {
        (f.started_from, f.started_before) = (Some(at(2, 0)), Some(at(3, 0)));
    };
    orders(between, "a2").await;

    any(
        &|f| f.min_execution_time = Some(span(0, 41_335_000)),
        "a3 a1",
    )
    .await;
    any(&|f| f.min_execution_time = Some(span(0, 41_335_001)), "a3").await;
    orders(&|f| f.max_execution_time = Some(span(1, 0)), "a4 a1").await;
    let short: Change<'_> = &|f| {
        f.min_execution_time = Some(span(0, 0));
        f.max_execution_time = Some(span(0, 7_000_000));
    };
    any(short, "b1").await;
    world.end().await;
}

#[tokio::test]
async fn an_instance_is_listed_with_its_columns() {
    let world = World::with(ROWS).await;
    world
        .run(
            "update public.flowstate set reruncount = 3, endtime = '2026-01-01 00:00:01.041335',
               parentflowinstanceid = 'p', parentflowname = 'parent' where flowinstanceid = 'a1'",
        )
        .await;
    let filter = InstanceFilter {
        user: Some("acme".into()),
        app: Some("orders".into()),
        started_before: Some(at(2, 0)),
        ..InstanceFilter::default()
    };
    let page = world.page(&filter, 0, "").await.unwrap();
    let [instance] = &page.instances[..] else {
        panic!("{page:?}");
    };
    let expected = flowtrail::proto::Instance {
        instance_id: "a1".into(),
        user: "acme".into(),
        app: "orders".into(),
        app_version: "1".into(),
        flow_name: "main".into(),
        host: "h1".into(),
        status: "Completed".into(),
        start_time: Some(at(1, 0)),
        end_time: Some(at(1, 41_335_000)),
        execution_time: Some(span(0, 41_335_000)),
        original_instance_id: String::new(),
        rerun_count: 3,
        parent_instance_id: "p".into(),
        parent_flow_name: "parent".into(),
    };
    assert_eq!(instance, &expected);
    world.end().await;
}

#[tokio::test]
async fn equal_start_times_and_rows_that_come_meanwhile_cost_a_page_nothing() {
    let world = World::with(
        "insert into public.flowstate (flowinstanceid, userid, appname, hostid, starttime)
         select 'i' || n, 'acme', 'orders', '', timestamp '2026-01-01' + (n / 50) * interval '1 s'
         from generate_series(1, 200) n",
    )
    .await;
    let filter = InstanceFilter {
        user: Some("acme".into()),
        app: Some("orders".into()),
        ..InstanceFilter::default()
    };
    let expected =
        "select string_agg(flowinstanceid, ' ' order by starttime desc, flowinstanceid desc)
                    from public.flowstate where flowinstanceid like 'i%'";
    let expected: String = world.sql.query_one(expected, &[]).await.unwrap().get(0);
    let first = world.page(&filter, 70, "").await.unwrap();
    world
        .run(
            "insert into public.flowstate (flowinstanceid, userid, appname, hostid, starttime)
             values ('new', 'acme', 'orders', '', '2026-01-02')",
        )
        .await;
    let mut ids: Vec<_> = first.instances.into_iter().map(|i| i.instance_id).collect();
    let mut page = first.next_page;
    while !page.is_empty() {
        let next = world.page(&filter, 7, &page).await.unwrap();
        ids.extend(next.instances.into_iter().map(|i| i.instance_id));
        page = next.next_page;
    }
    assert_eq!(ids.join(" "), expected);
    world.end().await;
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes_whatever_the_rows_hold() {
    let world = World::with(
        "insert into public.flowstate (flowinstanceid, userid, appname, hostid, starttime, parentflowname, executiontime, parentflowinstanceid)
         select 'i' || n, 'acme', 'orders', '', '2026-01-01', repeat('ä', 200000), repeat('1', 200000), repeat('p', 200000)
         from generate_series(1, 1000) n",
    )
    .await;
    let filter = InstanceFilter {
        user: Some("acme".into()),
        ..InstanceFilter::default()
    };
    let (mut found, mut page) = (0, String::new());
    loop {
        let response = world.page(&filter, 1_000, &page).await.unwrap();
        assert!(response.encoded_len() < 4 << 20);
        assert_eq!(
            response.instances[0].parent_flow_name.chars().count(),
            1_024
        );
        found += response.instances.len();
        page = response.next_page;
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(found, 1_000);
    world.end().await;
}

#[tokio::test]
async fn a_list_at_an_offset_is_counted() {
    let world = World::with(ROWS).await;
    let history = History::new(world.service.pool().clone());
    let check = async |filter: &Filter, offset, limit, expected: &str, count| {
        let (found, counted) = history.instances_at(filter, offset, limit).await.unwrap();
        let ids: Vec<_> = found.iter().map(|instance| &*instance.id).collect();
        assert_eq!(
            (ids.join(" ").as_str(), counted),
            (expected, count),
            "{filter:?}"
        );
    };
    let orders = Filter {
        user: Some("acme".into()),
        app: Some("orders".into()),
        ..Filter::default()
    };
    check(&orders, 0, 3, "a4 a3 a2", 6).await;
    check(&orders, 4, 10, "a6 a5", 6).await;
    check(&orders, 6, 10, "", 6).await;
    check(&orders, 0, 0, "", 6).await;
    let related = Filter {
        related_to: Some("a1".into()),
        ..orders.clone()
    };
    check(&related, 0, 10, "a4 a3 a1", 3).await;
    check(&related, 1, 1, "a3", 3).await;
    let times = Filter {
        from_text: Some("2026-01-01 00:00:02".into()),
        through_text: Some("2026-01-01T00:00:03+05:00".into()),
        ..orders.clone()
    };
    check(&times, 0, 10, "a4 a3 a2", 3).await;
    let recent = Filter {
        interval: Some("2 hours".into()),
        ..Filter::default()
    };
    world
        .run(
            "insert into public.flowstate (flowinstanceid, hostid, starttime)
             values ('now', '', now() at time zone 'UTC' - interval '1 hour'), ('before', '', now() at time zone 'UTC' - interval '3 hours')",
        )
        .await;
    check(&recent, 0, 10, "c1 now", 2).await;

    let ids = ["a1", "c1", "a3", "nothing"];
    let of = history
        .instances_of(&ids, &Filter::default())
        .await
        .unwrap();
    let of: Vec<_> = of.iter().map(|instance| &*instance.id).collect();
    assert_eq!(of, ["c1", "a3", "a1"]);
    let of = history.instances_of(&ids, &orders).await.unwrap();
    assert_eq!(of.len(), 2);
    world.end().await;
}

#[tokio::test]
async fn texts_that_are_no_times_are_refused_with_their_field() {
    let world = World::new().await;
    let history = History::new(world.service.pool().clone());
    let check = async |filter: Filter, field: &str| {
        let error = history.instances_at(&filter, 0, 1).await.unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with(&format!("{field} is no ")),
            "{filter:?}: {told}"
        );
    };
    for wrong in [
        "",
        "soon",
        "-1 hour",
        "1 hour'; drop table x",
        "99999999999999999999 days",
        "2026-01-01",
        "4000000000 years",
        "300000 years",
    ] {
        check(
            Filter {
                interval: Some(wrong.into()),
                ..Filter::default()
            },
            "interval",
        )
        .await;
    }
    for wrong in [
        "",
        "soon",
        "2026-13-01",
        "infinity",
        "1",
        "999999-01-01",
        "2026-01-01 00:00:00 Nowhere/Land",
    ] {
        check(
            Filter {
                from_text: Some(wrong.into()),
                ..Filter::default()
            },
            "startTime",
        )
        .await;
        check(
            Filter {
                through_text: Some(wrong.into()),
                ..Filter::default()
            },
            "endTime",
        )
        .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_list_that_takes_too_long_says_what_to_do() {
    let database = crate::support::database().await;
    let client = database.client().await;
    let options = flowtrail::config::Database {
        statement_timeout: std::time::Duration::from_millis(50),
        ..database.options()
    };
    let pool = pg::pool(&database.connector(), &options);
    let history = History::new(pool);
    client
        .batch_execute("begin; lock table public.flowstate")
        .await
        .unwrap();
    let error = history
        .instances(&Filter::default(), None, 1)
        .await
        .unwrap_err();
    let status = error.status();
    assert_eq!(status.code, flowtrail::status::Code::DeadlineExceeded);
    assert!(status.message.contains("time range"), "{status}");
}
