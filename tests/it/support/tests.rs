//! What the tests stand on stands itself.

use std::time::Duration;

use super::Cluster;

#[tokio::test]
async fn a_database_of_a_test_has_the_schema_and_nobody_elses_rows() {
    for _ in 0..2 {
        let database = super::database().await;
        let client = database.client().await;
        let rows = client
            .execute(
                "insert into public.appstate (userid, appname) values ('u', 'a')",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(rows, 1, "{}", database.name);
    }
}

#[tokio::test]
async fn a_cluster_of_its_own_can_be_stopped_killed_and_frozen() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let client = super::connect(&url).await;
    client
        .batch_execute("create table kept (n int); insert into kept values (1)")
        .await
        .unwrap();

    cluster.stop().await;
    assert!(client.simple_query("select").await.is_err());
    cluster.start_again().await;
    cluster.kill9().await;
    cluster.start_again().await;

    let client = super::connect(&url).await;
    cluster.freeze();
    let silent = tokio::time::timeout(Duration::from_millis(200), client.simple_query("select"));
    assert!(silent.await.is_err());
    cluster.thaw();
    let row = client.query_one("select n from kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 1);

    let directory = cluster.socket_directory().to_owned();
    assert!(directory.exists());
    drop(cluster);
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_standby_has_what_was_committed_and_can_change_places_with_its_primary() {
    let old = Cluster::start().await;
    let new = old.standby().await;
    let run = async |cluster: &Cluster, sql: &str| {
        let client = super::connect(&cluster.url("postgres")).await;
        client.batch_execute(sql).await
    };
    run(&old, "create table kept as select 1 as n")
        .await
        .unwrap();
    old.demote().await;
    run(&old, "create table refused ()").await.unwrap_err();
    old.kill9().await;
    new.promote().await;
    run(&new, "insert into kept select n + 1 from kept")
        .await
        .unwrap();
    old.follow(&new).await;
    run(&new, "insert into kept values (3)").await.unwrap();
    let client = super::connect(&old.url("postgres")).await;
    super::eventually("replay", async || {
        let row = client.query_one("select count(*) from kept", &[]).await;
        row.unwrap().get::<_, i64>(0) == 3
    })
    .await;
    run(&old, "create table refused ()").await.unwrap_err();
}
