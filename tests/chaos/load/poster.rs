//! A stock engine: it posts one event after the other to the REST recorder and does not try again.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep_until, timeout},
};

use super::{
    Common,
    emission::{Emission, Event},
    ledger::{Ledger, Standing},
    pace::Pace,
    story::{Teller, What},
    text,
};

/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Poster {
    pub(super) common: Arc<Common>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) teller: Teller,
    pub(super) rate: f64,
}

impl Poster {
    /// Posts until told to stop.
    pub(super) async fn run(self) {
        let mut emission = Emission::new(self.teller.clone());
        let mut pace = Pace::new(self.rate);
        let mut socket = None;
        while !self.common.stop.is_cancelled() {
            tokio::select! {
                () = self.common.stop.cancelled() => break,
                () = sleep_until(pace.due()) => {}
            }
            if socket.is_none() {
                socket = TcpStream::connect(self.common.address).await.ok();
                if socket.is_none() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                self.ledger().reopened += 1;
            }
            let event = emission.chunk().pop().expect("a post is one event");
            pace.spend(1);
            let number = self.ledger().sent();
            let open = socket.as_mut().expect("opened above");
            match timeout(PATIENCE, self.post(open, &event)).await {
                Ok(Some(200)) => {
                    let mut ledger = self.ledger();
                    ledger.settle(number, Standing::Kept);
                    // the answer does not say which of the two it is
                    ledger.committed += 1;
                    drop(ledger);
                    self.common.progress(1);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => socket = None,
            }
        }
    }

    /// The status of the answer; none when the connection ended.
    async fn post(&self, socket: &mut TcpStream, event: &Event) -> Option<u16> {
        let source = self.teller.source();
        let id = &event.instance().id;
        let (path, body) = match event.what() {
            What::Start(start) => ("start", text::start(&source, id, start)),
            What::Step(step) => ("steps", step.data.to_vec()),
            What::End(end) => ("end", text::end(&source, id, end)),
        };
        let SocketAddr::V4(host) = self.common.address else {
            unreachable!("loopback")
        };
        let length = body.len();
        let head = format!(
            "POST /v1/instances/{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        socket
            .write_all(&[head.as_bytes(), &body].concat())
            .await
            .ok()?;
        read_answer(socket).await
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Status of an answer whose body, if any, has a length.
async fn read_answer(socket: &mut TcpStream) -> Option<u16> {
    let mut answer = Vec::new();
    let (head, length) = loop {
        let mut part = [0; 4096];
        let read = socket.read(&mut part).await.ok().filter(|read| *read > 0)?;
        answer.extend(&part[..read]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length = length
                .and_then(|length| length.trim().parse().ok())
                .unwrap_or(0);
            break (head, length);
        }
    };
    let mut missing = (head.len() + 4 + length).saturating_sub(answer.len());
    while missing > 0 {
        let mut part = vec![0; missing];
        let read = socket.read(&mut part).await.ok().filter(|read| *read > 0)?;
        missing -= read;
    }
    if head.contains("connection: close") {
        let _ = socket.shutdown().await;
    }
    head.split(' ').nth(1)?.parse().ok()
}
