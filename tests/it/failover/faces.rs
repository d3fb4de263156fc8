//! What asks and decides goes on too: toggles, watchers, reads over gRPC and REST.

use flowtrail::proto::{
    ListInstancesRequest, WatchInstancesRequest, history_client::HistoryClient,
    record_response::Message,
};

use super::{OUTAGE, SOON};
use crate::support::{Cluster, Rest, Stream, eventually, hello, serve, start};

use std::time::{Duration, Instant};

const INSTANCES: &str = "/v1/instances?app=orders&version=1.0.0";
const TOGGLE: &str = "/v1/app/state/orders";
const ACME: [(&str, &str); 1] = [("username", "acme")];

/// Everything that a service is asked, while `fault` strikes the primary and the standby is promoted.
async fn goes_on(fault: impl AsyncFnOnce(&Cluster)) {
    let old = Cluster::start().await;
    let new = old.standby().await;
    let url = Cluster::url_of(&[&old, &new], "postgres");
    let service = serve(&url, &["--no-spool"]).await;
    let address = service.local_addr();
    let (mut stream, _) = Stream::greet(address, hello("orders")).await;
    stream.chunk([start("before", 1)]).await;
    stream.ack().await;
    let mut history = HistoryClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    let watch = WatchInstancesRequest::default();
    let mut watch = history.watch_instances(watch).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().unwrap().resync);
    // every connection of the pool is in use once
    let reads = (0..8).map(|_| async {
        let mut rest = Rest::new(address);
        rest.request("GET", INSTANCES, &ACME, b"").await.0
    });
    let reads = futures_util::future::join_all(reads).await;
    assert_eq!(reads, [200; 8]);

    fault(&old).await;
    tokio::time::sleep(OUTAGE).await;
    new.promote().await;
    let promoted = Instant::now();

    let mut rest = Rest::new(address);
    eventually("a read over REST", async || {
        let (status, _, body) = rest.request("GET", INSTANCES, &ACME, b"").await;
        assert!([200, 503].contains(&status), "{status} {body}");
        status == 200 && body.contains("before")
    })
    .await;
    assert!(promoted.elapsed() < SOON, "{:?}", promoted.elapsed());
    let listed = history
        .list_instances(ListInstancesRequest::default())
        .await;
    let listed = listed.unwrap().into_inner().instances;
    assert_eq!(listed.len(), 1);
    eventually("a decision", async || {
        rest.request("DELETE", TOGGLE, &ACME, b"").await.0 == 200
    })
    .await;
    // at once, or as soon as the listener has found the new primary too
    let told = tokio::time::timeout(SOON, stream.next()).await;
    match told.expect("soon").unwrap() {
        Some(Message::PersistenceChanged(change)) => assert!(!change.persistence_enabled),
        other => panic!("a change, not {other:?}"),
    }
    // by somebody else, straight in the table
    let client = crate::support::connect(&new.url("postgres")).await;
    let enable = "update public.appstate set persistenceenabled = true";
    assert_eq!(client.execute(enable, &[]).await.unwrap(), 1);
    match stream.next().await.unwrap() {
        Some(Message::PersistenceChanged(change)) => assert!(change.persistence_enabled),
        other => panic!("a change, not {other:?}"),
    }

    stream.chunk([start("after", 2)]).await;
    assert_eq!(stream.ack().await.recorded, 1);
    // A resync covers all that was stored before it, and comes instead of its name.
    let (mut resync, mut seen) = (false, false);
    while !(resync && seen) {
        let told = tokio::time::timeout(Duration::from_secs(20), watch.message()).await;
        let told = told.expect("a word").unwrap().expect("the watch goes on");
        resync |= told.resync;
        seen |= told.changed.iter().any(|one| one.instance_id == "after");
        if told.resync {
            let listed = history
                .list_instances(ListInstancesRequest::default())
                .await;
            let listed = listed.unwrap().into_inner().instances;
            seen |= listed.iter().any(|one| one.instance_id == "after");
        }
    }
    // and from then on names come again
    stream.chunk([start("later", 3)]).await;
    assert_eq!(stream.ack().await.recorded, 1);
    loop {
        let told = tokio::time::timeout(Duration::from_secs(20), watch.message()).await;
        let told = told.expect("a word").unwrap().expect("the watch goes on");
        if told.changed.iter().any(|one| one.instance_id == "later") {
            break;
        }
        assert!(!told.resync, "instead of a name");
    }
    let listed = history
        .list_instances(ListInstancesRequest::default())
        .await;
    assert_eq!(listed.unwrap().into_inner().instances.len(), 3);
    drop((stream, watch));
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_and_decisions_go_on_after_a_crash() {
    goes_on(async |old| old.kill9().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_and_decisions_go_on_after_a_freeze() {
    goes_on(async |old| old.freeze()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_and_decisions_go_on_after_a_demotion() {
    goes_on(async |old| old.demote().await).await;
}
