//! With a database of one's own.

use super::{as_role, serve};
use crate::support::{self, Cluster, Program, Run, Stream, TestDatabase, hello, step};

#[tokio::test]
async fn a_database_that_cannot_be_used_is_one_line_with_its_remedy() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let (before, rest) = url.split_once('@').unwrap();
    let (scheme, _) = before.rsplit_once(':').unwrap();
    let wrong = format!("{scheme}:very-wrong@{rest}");
    serve(&wrong)
        .end()
        .await
        .failed(1, &["put the right password"]);
    serve(&cluster.url("nowhere"))
        .end()
        .await
        .failed(1, &["create the database"]);
    let away = "postgresql://u@127.0.0.1:1/d";
    serve(away)
        .end()
        .await
        .failed(1, &["127.0.0.1:1", "start PostgreSQL"]);
    let unknown = "postgresql://u@nowhere.invalid/d";
    serve(unknown)
        .end()
        .await
        .failed(1, &["nowhere.invalid", "correct `host`"]);
}

#[tokio::test]
async fn a_database_that_is_not_utf8_is_refused_with_the_remedy() {
    let database = TestDatabase::create("template template0 encoding 'SQL_ASCII' locale 'C'").await;
    let remedy = ["SQL_ASCII", "encoding 'UTF8'"];
    serve(&database.url).end().await.failed(1, &remedy);
    Run::new(&["migrate", "--database-url", &database.url])
        .end()
        .await
        .failed(1, &remedy);
}

#[tokio::test]
async fn a_privilege_that_is_missing_is_named_with_the_grant() {
    let database = support::database().await;
    let client = database.client().await;
    let role = format!("{}_role", database.name);
    let sql = async |sql: &str| {
        let sql = sql
            .replace("ROLE", &role)
            .replace("DATABASE", &database.name);
        client.batch_execute(&sql).await.unwrap();
    };
    sql("create role ROLE;
         grant select, insert, update, delete on all tables in schema public to ROLE;
         grant usage on schema flowtrail to ROLE;
         grant select, insert, update, delete on all tables in schema flowtrail to ROLE")
    .await;
    let url = as_role(&database, &role);
    sql("revoke insert on public.steps from ROLE").await;
    serve(&url).end().await.failed(
        1,
        &["table steps", "grant insert on public.steps to the role"],
    );
    sql("grant insert on public.steps to ROLE; revoke temporary on database DATABASE from public")
        .await;
    serve(&url)
        .end()
        .await
        .failed(1, &["temporary tables", "grant temporary on the database"]);
    sql("grant temporary on database DATABASE to ROLE; revoke insert on flowtrail.past_steps from ROLE").await;
    serve(&url)
        .end()
        .await
        .failed(1, &["past_steps", "grant insert"]);
    sql("grant insert on flowtrail.past_steps to ROLE").await;
    let mut program = Program::serve(&["--database-url", &url]).await;
    let (mut stream, _) = Stream::greet(program.address, hello("orders")).await;
    stream.chunk([step("i", 0)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    assert_eq!(program.terminate().await, Some(0));
    sql("drop owned by ROLE; drop role ROLE").await;
}

/// The tables of the service that was there before, with a row.
const OLD: &str = "
    create table public.steps (
      flowinstanceid text not null, stepid text not null, taskname text, status text,
      starttime timestamp, endtime timestamp, stepdata bytea, flowname text, subflowid text, misc json,
      primary key (flowinstanceid, stepid));
    create table public.flowstate (
      flowinstanceid text primary key, userid text, appname text, flowname text, hostid text not null,
      starttime timestamp, endtime timestamp, executiontime text, status text,
      parentflowinstanceid text, parentflowname text, misc text);
    create table public.appstate (
      userid text, appname text, appversion text, persistenceenabled boolean, primary key (userid, appname));
    insert into public.steps (flowinstanceid, stepid, stepdata) values ('old', '1', 'kept')";

#[tokio::test]
async fn older_tables_are_refused_until_they_are_migrated_and_keep_their_rows() {
    let database = support::empty_database().await;
    let client = database.client().await;
    client.batch_execute(OLD).await.unwrap();
    serve(&database.url)
        .end()
        .await
        .failed(1, &["version 0", "run `flowtrail migrate`"]);

    let migrate = async |more: &[&str]| {
        let words = [&["migrate", "--database-url", &database.url], more].concat();
        Run::new(&words).end().await
    };
    let planned = migrate(&["--dry-run"]).await.done();
    assert!(planned.contains("-- migration 1"), "{planned}");
    serve(&database.url).end().await.failed(1, &["version 0"]);
    migrate(&[]).await.done();
    let again = migrate(&[]).await;
    assert!(again.err.contains("nothing to do"), "{}", again.err);
    again.done();

    let mut program = Program::serve(&["--database-url", &database.url]).await;
    let (mut stream, _) = Stream::greet(program.address, hello("orders")).await;
    stream.chunk([step("new", 0)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    assert_eq!(program.terminate().await, Some(0));
    let rows = "select flowinstanceid, stepdata from public.steps order by 1 desc";
    let rows = client.query(rows, &[]).await.unwrap();
    let rows: Vec<(&str, Option<&[u8]>)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [("old", Some(&b"kept"[..])), ("new", None)]);
}

#[tokio::test]
async fn the_check_counts_the_connections_of_a_service_with_these_options() {
    let database = support::database().await;
    let run = Run::new(&["check", "--output", "json", "--lanes", "5"])
        .env("FLOWTRAIL_DATABASE_URL", &database.url)
        .env("FLOWTRAIL_POOL_SIZE", "7");
    let findings: Vec<serde_json::Value> = serde_json::from_str(&run.end().await.out).unwrap();
    let found = findings
        .iter()
        .find(|finding| finding["subject"] == "connections");
    let found = found.unwrap()["found"].as_str().unwrap();
    // the toggles' listener and the line to watchers besides
    assert!(found.ends_with("one server opens 14"), "{found}");
}

#[tokio::test]
async fn the_check_says_what_must_be_put_right_and_ends_so() {
    let database = support::empty_database().await;
    // a secret that is mounted as a file ends with a line end
    let check = async |output: &str| {
        let run = Run::new(&["check", "--output", output]);
        let file = run.directory().join("url");
        std::fs::write(&file, format!("{}\n", database.url)).unwrap();
        run.env("FLOWTRAIL_DATABASE_URL_FILE", &file.display().to_string())
            .end()
            .await
    };
    let ended = check("json").await;
    let findings: Vec<serde_json::Value> = serde_json::from_str(&ended.out).unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding["subject"] == "table steps" && finding["level"] == "failure")
    );
    ended.failed(1, &["must be put right"]);
    let ended = check("table").await;
    assert!(ended.out.starts_with("SUBJECT"), "{}", ended.out);
    assert!(
        ended.out.contains("run `flowtrail migrate`"),
        "{}",
        ended.out
    );
    ended.failed(1, &["must be put right"]);

    let migrated = Run::new(&["migrate"]);
    std::fs::write(
        migrated.directory().join(".env"),
        format!("FLOWTRAIL_DATABASE_URL='{}'\n", database.url),
    )
    .unwrap();
    migrated.end().await.done();
    assert!(
        check("table")
            .await
            .done()
            .contains("there, with all privileges needed")
    );
}
