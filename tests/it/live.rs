//! What watchers are told: changes across servers, and the stream of steps.

use std::{sync::Arc, time::Duration};

use flowtrail::{
    app::Running,
    event::Committed,
    lifecycle::Lifecycle,
    proto::{StepRecorded, event::Kind},
    query::watch::{Change, Changes, Watch},
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    sync::broadcast,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, protocol::frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

use crate::support::{self, Rest, Stream, TestDatabase, eventually, hello, http, start, time};

/// What another server stores must be told within this time.
const SOON: Duration = Duration::from_secs(2);

/// A watch of its own, as another server would have it.
struct Watcher {
    committed: broadcast::Sender<Arc<Committed>>,
    changes: Changes,
    lifecycle: Lifecycle,
    end: CancellationToken,
}

impl Watcher {
    /// It listens when this returns.
    async fn start(database: &TestDatabase) -> Self {
        let committed = broadcast::Sender::new(64);
        let lifecycle = Lifecycle::default();
        let stopping = lifecycle.stopping().clone();
        let (watch, line) = Watch::new(database.connector(), committed.clone(), stopping);
        let end = CancellationToken::new();
        lifecycle.spawn(line.run(end.clone()));
        let mut watcher = Self {
            committed,
            changes: watch.subscribe(),
            lifecycle,
            end,
        };
        assert_eq!(watcher.next().await, Change::Resync, "the first word");
        watcher
    }

    async fn next(&mut self) -> Change {
        let next = timeout(Duration::from_secs(20), self.changes.next()).await;
        next.expect("a change")
    }

    fn commit(&self, ids: impl IntoIterator<Item = String>) {
        let committed = Committed {
            instances: ids.into_iter().map(Arc::from).collect(),
            steps: Vec::new(),
        };
        self.committed.send(Arc::new(committed)).unwrap();
    }

    async fn stop(mut self) {
        self.end.cancel();
        self.lifecycle.stop();
        assert_eq!(self.next().await, Change::End);
        assert!(self.lifecycle.join(Duration::from_secs(10)).await);
    }
}

async fn record(service: &Running, app: &str, kinds: impl IntoIterator<Item = Kind>) {
    let (mut stream, _) = Stream::greet(service.local_addr(), hello(app)).await;
    stream.chunk(kinds).await;
    assert_eq!(stream.finish().await.invalid, 0);
}

fn step_with(instance: &str, number: i32, content: &[u8]) -> Kind {
    Kind::Step(StepRecorded {
        instance_id: instance.into(),
        step_id: number,
        start_time: time(1_000),
        step_data: Some(content.to_vec().into()),
        ..StepRecorded::default()
    })
}

#[tokio::test]
async fn a_change_on_one_server_is_told_on_another_soon() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut watcher = Watcher::start(&database).await;
    let began = Instant::now();
    let kinds = [
        start("i", 1_000),
        step_with("i", 0, b"{}"),
        step_with("j,\"", 0, b"{}"),
    ];
    record(&service, "orders", kinds).await;
    let Change::Changed(mut told) = watcher.next().await else {
        panic!("names");
    };
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    // both lanes may be told apart
    while told.len() < 2 {
        let Change::Changed(more) = watcher.next().await else {
            panic!("names");
        };
        told.extend(more);
    }
    told.sort();
    assert_eq!(told, ["i".into(), "j,\"".into()]);
    watcher.stop().await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_nobody_watches_tells_nothing_until_somebody_does() {
    let database = support::database().await;
    let stopping = CancellationToken::new();
    let committed = broadcast::Sender::<Arc<Committed>>::new(64);
    let (_watch, line) = Watch::new(database.connector(), committed.clone(), stopping.clone());
    let lifecycle = Lifecycle::default();
    lifecycle.spawn(line.run(stopping.clone()));
    eventually("it forgets", async || committed.receiver_count() == 0).await;
    let mut watcher = Watcher::start(&database).await;
    assert_eq!(watcher.next().await, Change::Resync, "it was not told");
    let instances = vec!["i".into()];
    let steps = Vec::new();
    let told = committed.send(Arc::new(Committed { instances, steps }));
    assert!(told.is_ok(), "it listens again");
    assert_eq!(watcher.next().await, Change::Changed(vec!["i".into()]));
    stopping.cancel();
    assert!(lifecycle.join(Duration::from_secs(10)).await);
    watcher.stop().await;
}

#[tokio::test]
async fn what_a_server_stores_while_it_stops_is_still_told() {
    let database = support::database().await;
    let mut watcher = Watcher::start(&database).await;
    let other = Watcher::start(&database).await;
    other.commit(["last".to_owned()]);
    other.stop().await;
    assert_eq!(watcher.next().await, Change::Changed(vec!["last".into()]));
    watcher.stop().await;
}

#[tokio::test]
async fn more_than_can_be_told_is_a_resync() {
    let database = support::database().await;
    let mut watcher = Watcher::start(&database).await;
    let other = Watcher::start(&database).await;
    other.commit((0..9_000).map(|n| format!("{n:032x}")));
    assert_eq!(watcher.next().await, Change::Resync);
    other.commit(["i".to_owned()]);
    assert_eq!(watcher.next().await, Change::Changed(vec!["i".into()]));
    watcher.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_line_that_breaks_is_a_resync_and_then_goes_on() {
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    let mut watcher = Watcher::start(&database).await;
    let lines = async || {
        let lines = "select count(*) from pg_stat_activity
            where datname = current_database() and application_name = 'flowtrail changes'";
        client.query_one(lines, &[]).await.unwrap().get::<_, i64>(0)
    };
    eventually("both lines stand", async || lines().await == 2).await;
    let end = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'flowtrail changes'";
    assert_eq!(client.query(end, &[]).await.unwrap().len(), 2);
    record(&service, "orders", [start("meanwhile", 1_000)]).await;
    assert_eq!(watcher.next().await, Change::Resync);
    eventually("both lines stand again", async || lines().await == 2).await;
    record(&service, "orders", [start("i", 1_000)]).await;
    loop {
        match watcher.next().await {
            Change::Changed(told) if told.contains(&"i".into()) => break,
            // the service's line may have come back after the watcher's
            Change::Changed(told) => assert_eq!(told, ["meanwhile".into()]),
            Change::Resync | Change::End => panic!("what changed is known"),
        }
    }
    watcher.stop().await;
    service.stop().await.unwrap();
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A client of the step stream, once it is one.
async fn steps(service: &Running, query: &str) -> Socket {
    let url = format!("ws://{}/v1/stream/steps{query}", service.local_addr());
    let (socket, response) = connect_async(url).await.expect("an upgrade");
    assert_eq!(response.status(), 101);
    socket
}

/// The next text frame.
async fn frame(socket: &mut Socket) -> String {
    loop {
        let message = timeout(Duration::from_secs(20), socket.next()).await;
        match message
            .expect("a frame")
            .expect("no end")
            .expect("no error")
        {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Code and reason of the close that follows the text frames.
async fn closed(socket: &mut Socket) -> (CloseCode, String) {
    loop {
        let message = timeout(Duration::from_mins(1), socket.next()).await;
        match message.expect("a frame").expect("a close first") {
            Ok(Message::Close(Some(close))) => return (close.code, close.reason.to_string()),
            Ok(Message::Text(_) | Message::Ping(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_client_of_the_step_stream_sees_every_step() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut clients = [steps(&service, "").await, steps(&service, "").await];
    let content = |number: i32| format!("{{\"id\":{number},\"text\":\"<ä>\"}}");
    let kinds = (0..100).map(|n| step_with("i", n, content(n).as_bytes()));
    // neither a step without content nor one that is no text has a frame
    let without = [step_with("i", 100, b"\xff\xfe"), support::step("i", 101)];
    record(&service, "orders", kinds.chain(without)).await;
    record(&service, "orders", [step_with("i", 102, b"no JSON")]).await;
    for client in &mut clients {
        for number in 0..100 {
            assert_eq!(frame(client).await, content(number) + "\n");
        }
        assert_eq!(frame(client).await, "no JSON\n");
    }
    // a client that leaves harms nobody
    let [mut gone, mut stays] = clients;
    gone.close(None).await.unwrap();
    record(&service, "orders", [step_with("i", 103, b"{}")]).await;
    assert_eq!(frame(&mut stays).await, "{}\n");
    // a step that was there already is none
    record(&service, "orders", [step_with("i", 103, b"{}")]).await;
    record(&service, "orders", [step_with("i", 104, b"new")]).await;
    assert_eq!(frame(&mut stays).await, "new\n");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_filter_says_which_steps_a_client_gets() {
    let database = support::database().await;
    let client = database.client().await;
    let service = support::serve(&database.url, &[]).await;
    let mut orders = steps(&service, "?app=orders").await;
    let mut parcels = steps(&service, "?app=parcel+desk&user=acme").await;
    let mut nobodys = steps(&service, "?app=orders&user=zeta").await;
    let mut one = steps(&service, "?flowinstanceid=j").await;
    // the start of an instance that was recorded elsewhere
    let elsewhere = "insert into public.flowstate (flowinstanceid, userid, appname, hostid)
        values ('elsewhere', 'zeta', 'orders', '')";
    client.batch_execute(elsewhere).await.unwrap();
    record(&service, "orders", [step_with("i", 0, b"orders i")]).await;
    record(&service, "parcel desk", [step_with("j", 0, b"parcels j")]).await;
    let posted = r#"{"id":0,"flowId":"elsewhere","flowChanges":{},"starttime":"2026-01-01T00:00:03Z","endtime":"2026-01-01T00:00:03Z","rerun":false}"#;
    let mut rest = Rest::new(service.local_addr());
    let (status, _, said) = rest
        .request("POST", "/v1/instances/steps", &[], posted.as_bytes())
        .await;
    assert_eq!((status, &*said), (200, ""));
    record(&service, "orders", [step_with("j", 1, b"orders j")]).await;

    let posted = &format!("{posted}\n");
    for (socket, expected) in [
        (&mut orders, &["orders i\n", posted, "orders j\n"][..]),
        (&mut parcels, &["parcels j\n"]),
        (&mut nobodys, &[posted]),
        (&mut one, &["parcels j\n", "orders j\n"]),
    ] {
        for text in expected {
            assert_eq!(frame(socket).await, *text);
        }
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_too_slow_is_told_so_while_ingest_goes_on() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut slow = steps(&service, "").await;
    let mut quick = steps(&service, "?flowinstanceid=last").await;
    let (mut stream, _) = Stream::greet(service.local_addr(), hello("orders")).await;
    let content = vec![b'x'; 200_000];
    for number in 0..300 {
        stream.chunk([step_with("i", number, &content)]).await;
        // nobody reads `slow` meanwhile
        assert_eq!(stream.ack().await.recorded, 1);
    }
    let (code, reason) = closed(&mut slow).await;
    assert_eq!(code, CloseCode::Policy);
    assert!(reason.contains("too slow"), "{reason}");
    stream.chunk([step_with("last", 0, b"last")]).await;
    assert_eq!(frame(&mut quick).await, "last\n");
    assert_eq!(stream.finish().await.recorded, 1);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_upgrade_or_a_wrong_question_is_refused() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut rest = Rest::new(service.local_addr());
    let (status, headers, body) = rest.request("GET", "/v1/stream/steps", &[], b"").await;
    assert_eq!((status, &*body), (400, "Bad Request\n"));
    assert_eq!(headers["sec-websocket-version"], "13");
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    for (query, name) in [
        ("?colour=red", "colour"),
        ("?app=", "app"),
        ("?user=a&user=b", "user"),
    ] {
        let url = format!("ws://{}/v1/stream/steps{query}", service.local_addr());
        let Err(Error::Http(response)) = connect_async(url).await else {
            panic!("{query}: an answer without upgrade");
        };
        assert_eq!(response.status(), 400);
        let said = response.body().clone().unwrap_or_default();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(&format!("`{name}`")), "{said}");
    }
    service.stop().await.unwrap();

    let service = support::serve(&database.url, &["--streaming-step", "false"]).await;
    let answer = http(service.local_addr(), "/v1/stream/steps").await;
    assert_eq!(answer, Some((404, "404 page not found\n".to_owned())));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn clients_are_limited_and_a_place_becomes_free() {
    let database = support::database().await;
    let service = support::serve(&database.url, &["--max-connections", "2"]).await;
    let url = format!("ws://{}/v1/stream/steps", service.local_addr());
    let mut first = steps(&service, "").await;
    let _second = steps(&service, "").await;
    let Err(Error::Http(response)) = connect_async(&url).await else {
        panic!("an answer without upgrade");
    };
    assert_eq!(response.status(), 503);
    first.close(None).await.unwrap();
    while let Some(Ok(_)) = first.next().await {}
    eventually("a free place", async || connect_async(&url).await.is_ok()).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_closes_the_clients_of_the_step_stream() {
    let database = support::database().await;
    let service = support::serve(&database.url, &[]).await;
    let mut client = steps(&service, "").await;
    let mut deaf = steps(&service, "").await;
    deaf.send(Message::text("nobody listens to this"))
        .await
        .unwrap();
    let (stopped, (code, _)) = tokio::join!(service.stop(), closed(&mut client));
    stopped.unwrap();
    assert_eq!(code, CloseCode::Away);
}
