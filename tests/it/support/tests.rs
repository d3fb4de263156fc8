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
