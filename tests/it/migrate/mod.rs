//! The schema: made once, upgraded in place, printed for administrators.

mod schema;
mod upgrade;

use flowtrail::pg::migrate::{self, Error, State};
use futures_util::future::join_all;

use crate::support::{self, TestDatabase};

const EVERYTHING: [&str; 15] = [
    "migration 1 public_tables",
    "migration 2 own_schema",
    "migration 3 toggle_trigger",
    "migration 4 skipped_instances",
    "migration 5 reading_views",
    "migration 6 short_keys",
    "migration 7 hold",
    "migration 8 fewer_entries",
    "index flowtrail_flowstate_by_app",
    "index flowtrail_flowstate_by_version",
    "index flowtrail_flowstate_by_flow",
    "index flowtrail_flowstate_by_host",
    "index flowtrail_flowstate_by_status",
    "index flowtrail_flowstate_without_app",
    "index flowtrail_flowstate_by_original",
];

async fn run(database: &TestDatabase) -> migrate::Outcome {
    let outcome = migrate::migrate(&database.connector(), |_| ()).await;
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

async fn refused(database: &TestDatabase) -> Error {
    migrate::migrate(&database.connector(), |_| ())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn an_empty_database_gets_the_schema_once() {
    let database = support::empty_database().await;
    let client = database.client().await;
    assert_eq!(migrate::state(&client).await.unwrap(), State::Empty);

    let mut told = Vec::new();
    let first = migrate::migrate(&database.connector(), |line| told.push(line.to_owned()))
        .await
        .unwrap();
    assert_eq!(first.state, State::Current);
    assert_eq!(first.applied, EVERYTHING);
    assert_eq!(told, EVERYTHING);
    assert_eq!(migrate::state(&client).await.unwrap(), State::Current);
    assert!(migrate::pending(&client).await.unwrap().is_empty());

    let second = migrate::migrate(&database.connector(), |line| panic!("{line}"))
        .await
        .unwrap();
    assert_eq!(second.applied, [""; 0]);
}

#[tokio::test]
async fn concurrent_runs_take_turns() {
    let database = support::empty_database().await;
    let outcomes = join_all((0..8).map(|_| run(&database))).await;
    let applied: Vec<String> = outcomes
        .into_iter()
        .flat_map(|outcome| outcome.applied)
        .collect();
    assert_eq!(applied, EVERYTHING);
}

#[tokio::test]
async fn what_would_run_is_said_without_running_it() {
    let database = support::empty_database().await;
    let client = database.client().await;
    let before = support::dump(&database.url, &[]).await;
    let pending = migrate::pending(&client).await.unwrap();
    let names: Vec<_> = pending
        .iter()
        .map(|pending| pending.name.as_str())
        .collect();
    assert_eq!(names, EVERYTHING);
    assert!(pending.iter().all(|pending| pending.sql.starts_with("-- ")));
    assert_eq!(support::dump(&database.url, &[]).await, before);
    assert_eq!(migrate::state(&client).await.unwrap(), State::Empty);
}

#[tokio::test]
async fn the_printed_script_makes_the_same_schema() {
    let migrated = support::empty_database().await;
    run(&migrated).await;

    let printed = support::empty_database().await;
    for _ in 0..2 {
        support::psql(&printed.url, &[], migrate::script())
            .await
            .unwrap();
    }
    assert_eq!(
        support::dump(&printed.url, &[]).await,
        support::dump(&migrated.url, &[]).await
    );
    let client = printed.client().await;
    assert_eq!(migrate::state(&client).await.unwrap(), State::Current);
    assert_eq!(run(&printed).await.applied, [""; 0]);

    let history = "select version, name, checksum from flowtrail.migrations order by version";
    let rows = |rows: Vec<tokio_postgres::Row>| {
        let texts = rows
            .into_iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)));
        texts.collect::<Vec<(i32, String, String)>>()
    };
    assert_eq!(
        rows(client.query(history, &[]).await.unwrap()),
        rows(migrated.client().await.query(history, &[]).await.unwrap())
    );
}

#[tokio::test]
async fn the_printed_script_goes_on_from_where_a_database_is() {
    let database = support::database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "drop trigger flowtrail_toggle_changed on public.appstate;
             drop function flowtrail.tell_toggle_changed, flowtrail.hold;
             drop table flowtrail.skipped_instances;
             drop view flowtrail.stored_apps, flowtrail.instances, flowtrail.numbered_attempts, flowtrail.step_versions;
             delete from flowtrail.migrations where version > 2;
             update flowtrail.meta set schema_version = 2;
             drop index public.flowtrail_flowstate_by_app;",
        )
        .await
        .unwrap();
    let behind = State::Behind {
        version: 2,
        needs: migrate::VERSION,
    };
    assert_eq!(migrate::state(&client).await.unwrap(), behind);
    support::psql(&database.url, &[], migrate::script())
        .await
        .unwrap();
    assert_eq!(migrate::state(&client).await.unwrap(), State::Current);
    assert!(migrate::pending(&client).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_printed_script_lets_the_services_role_in() {
    let database = support::empty_database().await;
    let client = database.client().await;
    let role = format!("{}_role", database.name);
    client
        .batch_execute(&format!("create role {role}"))
        .await
        .unwrap();
    let variable = format!("role={role}");
    support::psql(&database.url, &[&variable], migrate::script())
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "set role {role};
             insert into public.appstate (userid, appname, persistenceenabled) values ('u', 'a', true);
             delete from flowtrail.cuts;
             reset role;"
        ))
        .await
        .unwrap();
    // and a run of that role finds nothing to do
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-c%20role%3D{role}", database.url);
    let connector = flowtrail::pg::Connector::new(&url, &support::options(&url)).unwrap();
    let outcome = migrate::migrate(&connector, |line| panic!("{line}"))
        .await
        .unwrap();
    assert_eq!(outcome.state, State::Current);
    client
        .batch_execute(&format!("drop owned by {role}; drop role {role}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn indexes_of_an_older_version_give_way() {
    let database = support::database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "drop index public.flowtrail_flowstate_by_flow;
             create index flowtrail_flowstate_by_flow on public.flowstate (flowname);
             create index flowtrail_flowstate_by_names on public.flowstate (appname);
             delete from flowtrail.migrations where version > 7;
             update flowtrail.meta set schema_version = 7",
        )
        .await
        .unwrap();
    let applied = run(&database).await.applied;
    assert_eq!(
        applied,
        [
            "migration 8 fewer_entries",
            "index flowtrail_flowstate_by_version",
            "index flowtrail_flowstate_by_flow",
            "index flowtrail_flowstate_by_status",
        ]
    );
    let found = "select indexdef from pg_catalog.pg_indexes
                 where indexname in ('flowtrail_flowstate_by_flow', 'flowtrail_flowstate_by_names')";
    let row = client.query_one(found, &[]).await.unwrap();
    let definition: String = row.get(0);
    assert!(definition.contains("appversion"), "{definition}");
}

#[tokio::test]
async fn an_index_whose_making_was_interrupted_is_made_again() {
    let database = support::database().await;
    let client = database.client().await;
    let make_invalid = async || {
        client
            .batch_execute(
                "drop index public.flowtrail_flowstate_by_app;
                 insert into public.flowstate (flowinstanceid, hostid) values ('a', ''), ('b', '')
                   on conflict do nothing",
            )
            .await
            .unwrap();
        let unique = "create unique index concurrently flowtrail_flowstate_by_app on public.flowstate (hostid)";
        assert!(client.batch_execute(unique).await.is_err());
    };
    let name = "index flowtrail_flowstate_by_app";

    make_invalid().await;
    assert_eq!(migrate::pending(&client).await.unwrap()[0].name, name);
    assert_eq!(run(&database).await.applied, [name]);
    assert!(migrate::pending(&client).await.unwrap().is_empty());

    make_invalid().await;
    support::psql(&database.url, &[], migrate::script())
        .await
        .unwrap();
    assert!(migrate::pending(&client).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_database_that_is_not_utf8_is_refused() {
    let options = "template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'";
    let database = TestDatabase::create(options).await;
    let error = refused(&database).await;
    assert!(matches!(&error, Error::Encoding { encoding, .. } if encoding == "LATIN1"));
    assert!(error.to_string().contains("create database"), "{error}");
    let said = support::psql(&database.url, &[], migrate::script())
        .await
        .unwrap_err();
    assert!(said.contains("LATIN1"), "{said}");
}

#[tokio::test]
async fn a_newer_schema_is_used_unless_it_says_otherwise() {
    let database = support::database().await;
    let client = database.client().await;
    let version = migrate::VERSION + 2;
    let newer = format!("update flowtrail.meta set schema_version = {version}, oldest_binary = ");
    client
        .batch_execute(&format!("{newer}{}", migrate::VERSION))
        .await
        .unwrap();
    let state = migrate::state(&client).await.unwrap();
    assert_eq!(
        state,
        State::Ahead {
            version,
            works_with: migrate::VERSION
        }
    );
    assert!(state.usable());
    assert_eq!(run(&database).await.applied, [""; 0]);

    client
        .batch_execute(&format!("{newer}{}", migrate::VERSION + 1))
        .await
        .unwrap();
    assert!(!migrate::state(&client).await.unwrap().usable());
    let error = refused(&database).await;
    assert!(matches!(error, Error::Newer(_)), "{error}");
    assert!(
        error.to_string().contains("run a newer flowtrail"),
        "{error}"
    );
}
