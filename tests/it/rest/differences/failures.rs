//! What differs in failures.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::rest::{Face, ORDERS};

/// A part is never taken for the whole: the connection ends without the end of the body.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_breaks_off() {
    let face = Face::with(&["--statement-timeout", "1s"]).await;
    face.sql(
        "insert into public.steps (flowinstanceid, stepid, stepdata)
         select 'i', n::text, convert_to('{\"id\":' || n || ',\"x\":\"' || repeat('x', 8 << 20) || '\"}', 'UTF8')
         from generate_series(0, 9) n",
    )
    .await;
    let mut socket = TcpStream::connect(face.service.local_addr()).await.unwrap();
    let request = b"GET /v1/instances/i/steps HTTP/1.1\r\nhost: x\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut begin = [0; 1 << 10];
    socket.read_exact(&mut begin).await.unwrap();
    assert!(begin.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let lock = face.database.client().await;
    lock.batch_execute("begin; lock table public.steps in access exclusive mode")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let end = timeout(Duration::from_secs(30), socket.read_to_end(&mut rest)).await;
    // either way of closing will do
    let _ = end.expect("the connection ends");
    assert!(rest.len() < 80 << 20, "{} bytes came", rest.len());
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the body seems whole");
    drop(lock);
    face.end().await;
}

#[tokio::test]
async fn slow_questions() {
    let mut face = Face::with(&["--statement-timeout", "1s"]).await;
    let lock = face.database.client().await;
    let hold = "begin; lock table public.flowstate in access exclusive mode";
    lock.batch_execute(hold).await.unwrap();
    for path in [ORDERS, "/v1/instances/i/details"] {
        let said = face.refused(504, path).await;
        assert!(said.contains("narrow"), "{path}: {said}");
    }
    drop(lock);
    face.end().await;
}

#[tokio::test]
async fn refused_statements() {
    let mut face = Face::empty().await;
    let rename = |from: &str, to: &str| {
        format!(
            "alter view flowtrail.instances rename column {from} to {to}; alter view flowtrail.numbered_attempts rename column {from} to {to}"
        )
    };
    face.sql(&rename("shown_host", "other")).await;
    for path in [ORDERS, "/v1/instances/i/details"] {
        let said = face.refused(500, path).await;
        assert!(
            said.contains("log") && !said.contains("shown_host"),
            "{path}: {said}"
        );
    }
    face.sql(&rename("other", "shown_host")).await;
    face.end().await;
}
