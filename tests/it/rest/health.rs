//! Route 1, and what the others say while the database is away.

use super::{Face, json};
use crate::support::{self, Cluster, Rest};

#[tokio::test]
async fn health_knows_missing_tables_and_older_ones() {
    let mut face = Face::empty().await;
    let whole = r#"{"smVersion":"2.0","connected":true,"tablesExists":true,"message":"Connected","status":true}"#;
    assert_eq!(
        face.get_as(None, "/v1/health").await.2,
        format!("{whole}\n")
    );
    // others have tables of these names too
    face.sql("create schema other; create table other.steps (); create table other.flowstate ()")
        .await;
    assert_eq!(
        face.get_as(None, "/v1/health").await.2,
        format!("{whole}\n")
    );
    face.sql("alter table public.flowstate rename column flowinput to other")
        .await;
    assert_eq!(
        json(&face.get_as(None, "/v1/health").await.2)["smVersion"],
        "1.0"
    );
    face.sql("alter table public.appstate rename to other")
        .await;
    assert_eq!(
        face.get_as(None, "/v1/health").await.2,
        "{\"smVersion\":\"\",\"connected\":true,\"tablesExists\":false,\
         \"message\":\"One or more required tables are missing in the database schema\",\"status\":true}\n"
    );
    face.sql("alter table public.other rename to appstate")
        .await;
    face.end().await;
}

#[tokio::test]
async fn while_the_database_is_away_health_is_200_and_the_rest_503_without_its_text() {
    let cluster = Cluster::start().await;
    let url = cluster.url("postgres");
    let service = support::serve(&url, &["--connect-timeout", "1s"]).await;
    let mut rest = Rest::new(service.local_addr());
    cluster.stop().await;
    let user = [("username", "acme")];
    let (status, _, body) = rest.request("GET", "/v1/health", &[], b"").await;
    assert_eq!(status, 200);
    let health = json(&body);
    assert_eq!(health["connected"], false);
    assert_eq!(health["status"], false);
    assert_eq!(health["message"], "the database cannot be reached");
    for path in [
        "/v1/instances?app=a&version=1",
        "/v1/flows?app=a&version=1",
        "/v1/apps/a/versions",
        "/v1/app/state/a",
        "/v1/instances/i/details",
        "/v1/instances/i/status",
        "/v1/instances/i/attempts",
        "/v1/instances/i/rerun",
        "/v1/instances/i/steps",
        "/v1/instances/i/steps/tasks",
        "/v1/instances/i/steps/status",
        "/v1/instances/i/step/1/taskdata",
        "/v1/instances/i/snapshot",
        "/v1/instances/i/snapshot/1",
        "/v1/instances/i/failedtask",
    ] {
        let (status, headers, body) = rest.request("GET", path, &user, b"").await;
        assert_eq!(status, 503, "{path}: {body}");
        assert_eq!(headers["retry-after"], "1", "{path}");
        let error = json(&body);
        assert_eq!(error["code"], 503);
        assert_eq!(
            error["message"], "the database cannot be reached; try again",
            "{path}"
        );
    }
    cluster.start_again().await;
    let mut back = Rest::new(service.local_addr());
    support::eventually("it is back", async || {
        let (_, _, body) = back.request("GET", "/v1/health", &[], b"").await;
        json(&body)["connected"] == true
    })
    .await;
    service.stop().await.unwrap();
}
