//! Which of several hosts a connection leads to.

use std::time::{Duration, Instant};

use flowtrail::pg::Connector;
use tokio_util::sync::CancellationToken;

use crate::support::{Cluster, options};

async fn port(connector: &Connector) -> String {
    let client = connector.connect("test", |_| ()).await;
    let client = client.unwrap_or_else(|error| panic!("{error}"));
    let row = client.query_one("show port", &[]).await.unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_primary_is_found_whoever_is_frozen() {
    let old = Cluster::start().await;
    let new = old.standby().await;
    let url = Cluster::url_of(&[&new, &old], "postgres");
    let (bare, _) = url.split_once('?').unwrap();
    let connector = Connector::new(bare, &options(bare)).unwrap();
    let primary = old.address().port().to_string();
    assert_eq!(port(&connector).await, primary, "read-write is the default");

    new.freeze();
    let began = Instant::now();
    assert_eq!(port(&connector).await, primary);
    assert!(began.elapsed() < Duration::from_secs(2));
    new.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_passed_over_by_a_promotion_is_refused() {
    let old = Cluster::start().await;
    let new = old.standby().await;
    let url = Cluster::url_of(&[&old, &new], "postgres");
    let connector = Connector::new(&url, &options(&url)).unwrap();
    let session = connector.connect("test", |_| ()).await.unwrap();
    new.promote().await;
    assert_eq!(
        port(&connector).await,
        old.address().port().to_string(),
        "nobody knows of the other one yet"
    );
    let end = CancellationToken::new();
    let lookout = connector.lookout().expect("two hosts");
    let looking = {
        let end = end.clone();
        let lifecycle = flowtrail::lifecycle::Lifecycle::default();
        lifecycle.spawn(lookout.run(end))
    };
    let waits = session.query_one("select pg_sleep(30)", &[]);
    let ended = tokio::time::timeout(Duration::from_secs(5), waits).await;
    assert!(ended.expect("it is ended").is_err());
    assert_eq!(port(&connector).await, new.address().port().to_string());
    new.stop().await;
    let error = connector.connect("test", |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("promoted after it"), "{error}");
    end.cancel();
    looking.await.unwrap();
}
