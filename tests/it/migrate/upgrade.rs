//! Tables of an older service, upgraded where they are.

use flowtrail::pg::migrate::{self, Error, State};
use tokio_postgres::Client;

use super::{refused, run};
use crate::support;

/// The tables as an older service made them, `misc` of a type of its own in each.
const OLD: &str = "
    create table public.steps (
      flowinstanceid text not null, stepid text not null, taskname text, status text,
      starttime timestamp, endtime timestamp, stepdata bytea, flowname text, subflowid text, misc json,
      primary key (flowinstanceid, stepid));
    create table public.flowstate (
      flowinstanceid varchar(200) primary key, userid text, appname text, flowname text, hostid text not null,
      starttime timestamp, endtime timestamp, executiontime text, status text,
      parentflowinstanceid text, parentflowname text, misc text default 'nothing');
    create table public.appstate (
      userid text, appname text, appversion text, persistenceenabled boolean, primary key (userid, appname));
    insert into public.flowstate values
      ('a', 'u', 'app', 'flow', 'host', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:06', '321.099',
        'Completed', '', '', E'C:\\\\new\\\\x41 \\'single\\' \"double\" \u{e9}'),
      ('b', 'u', 'app', 'flow', '', null, null, null, 'Created', null, null, null);
    insert into public.steps values
      ('a', '1', 'log', 'Completed', '2026-01-02 03:04:05.7', '2026-01-02 03:04:05.8', '\\x7b7d',
        'flow', '0', '{\"path\": \"C:\\\\\\\\new\"}');
    insert into public.appstate values ('u', 'app', '1.0', false);";

async fn rows(client: &Client) -> Vec<String> {
    let sql = "
        select to_jsonb(s) - '{misc,rerun,parentstepid}'::text[] from public.steps s
        union all
        select to_jsonb(f)
          - '{misc,flowinput,flowoutput,reruncount,rerunofflowinstanceid,appversion}'::text[]
        from public.flowstate f
        union all
        select to_jsonb(a) from public.appstate a";
    let rows = client
        .query(
            &format!("select r::text from ({sql}) as t (r) order by 1"),
            &[],
        )
        .await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn miscs(client: &Client, as_text: &str) -> Vec<Option<String>> {
    let sql = format!(
        "select t from (select 1, flowinstanceid, {as_text} from public.steps
           union all select 2, flowinstanceid, {as_text} from public.flowstate) as x (n, id, t) order by n, id"
    );
    let rows = client.query(&sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn rows_stay_and_misc_becomes_the_bytes_of_its_text() {
    let database = support::empty_database().await;
    let client = database.client().await;
    client.batch_execute(OLD).await.unwrap();
    let behind = State::Behind {
        version: 0,
        needs: migrate::VERSION,
    };
    assert_eq!(migrate::state(&client).await.unwrap(), behind);
    let (rows_before, miscs_before) = (rows(&client).await, miscs(&client, "misc::text").await);
    assert_eq!(
        miscs_before[1].as_deref(),
        Some(r#"C:\new\x41 'single' "double" é"#)
    );

    assert_eq!(run(&database).await.state, State::Current);

    assert_eq!(rows(&client).await, rows_before);
    assert_eq!(
        miscs(&client, "convert_from(misc, 'UTF8')").await,
        miscs_before
    );
    client
        .batch_execute(
            "select flowinput, flowoutput, reruncount, rerunofflowinstanceid, appversion from public.flowstate;
             select rerun, parentstepid from public.steps;",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn the_printed_script_upgrades_too() {
    let database = support::empty_database().await;
    let client = database.client().await;
    client.batch_execute(OLD).await.unwrap();
    let before = (rows(&client).await, miscs(&client, "misc::text").await);
    support::psql(&database.url, &[], migrate::script())
        .await
        .unwrap();
    let after = (
        rows(&client).await,
        miscs(&client, "convert_from(misc, 'UTF8')").await,
    );
    assert_eq!(after, before);
    assert_eq!(migrate::state(&client).await.unwrap(), State::Current);
}

#[tokio::test]
async fn a_table_of_the_same_name_with_other_columns_is_refused_and_left_alone() {
    let check = async |change: &str, named: &str| {
        let database = support::empty_database().await;
        let client = database.client().await;
        client.batch_execute(OLD).await.unwrap();
        client.batch_execute(change).await.unwrap();
        let before = support::dump(&database.url, &["-n", "public"]).await;
        let error = refused(&database).await;
        assert!(matches!(error, Error::Statement { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        assert_eq!(
            support::dump(&database.url, &["-n", "public"]).await,
            before
        );
    };
    check(
        "alter table public.steps alter column starttime type timestamptz",
        "public.steps.starttime is timestamp with time zone",
    )
    .await;
    check(
        "alter table public.flowstate drop constraint flowstate_pkey",
        "public.flowstate has no unique key on (flowinstanceid)",
    )
    .await;
    check(
        "create view public.report as select misc from public.flowstate",
        "drop what depends on the column",
    )
    .await;
}

#[tokio::test]
async fn a_role_without_the_right_is_told_what_to_do() {
    let database = support::empty_database().await;
    let client = database.client().await;
    let role = format!("{}_role", database.name);
    client
        .batch_execute(&format!(
            "create role {role}; revoke create on schema public from public"
        ))
        .await
        .unwrap();
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-c%20role%3D{role}", database.url);
    let connector = flowtrail::pg::Connector::new(&url, &support::options(&url)).unwrap();
    let error = migrate::migrate(&connector, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("migrate --print"), "{error}");

    // the owner of everything who may not make a trigger: the schema is complete, and it is said
    client
        .batch_execute(&format!(
            "grant create on database {} to {role}; grant create, usage on schema public to {role};
             set role {role};
             create table public.appstate (
               userid text, appname text, appversion text, persistenceenabled boolean, primary key (userid, appname));
             revoke trigger on public.appstate from {role};
             reset role",
            database.name
        ))
        .await
        .unwrap();
    let mut told = String::new();
    let outcome = migrate::migrate(&connector, |line| told += line)
        .await
        .unwrap();
    assert_eq!(outcome.state, State::Current);
    assert!(
        told.contains("warning: this role may not create a trigger"),
        "{told}"
    );
    client
        .batch_execute(&format!("drop owned by {role} cascade; drop role {role}"))
        .await
        .unwrap();
}
