//! `flowtrail tail`.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{
    self, Program, Stream, TestDatabase, end, eventually, free_address, hello, start,
};

/// The command, running.
struct Tail {
    child: Child,
    lines: Receiver<String>,
    said: Receiver<String>,
}

impl Tail {
    fn start(url: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flowtrail"))
            .args(["tail", "--server", url])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = listen(child.stdout.take().expect("a pipe"));
        let said = listen(child.stderr.take().expect("a pipe"));
        Self { child, lines, said }
    }

    async fn next(&self) -> String {
        next(&self.lines).await
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().try_into().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("it runs");
    }

    async fn ended(&mut self) -> Option<i32> {
        eventually("end", async || {
            self.child.try_wait().expect("a child").is_some()
        })
        .await;
        self.child.wait().expect("a child").code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn next(lines: &Receiver<String>) -> String {
    for _ in 0..1_500 {
        if let Ok(line) = lines.try_recv() {
            return line;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no line within 30 s");
}

/// Records until the tail has told the first line: it watches from some moment on.
async fn record(address: std::net::SocketAddr, id: &str) {
    let (mut stream, _) = Stream::greet(address, hello("orders")).await;
    stream
        .chunk([start(id, 1_000), end(id, Some(1_000), 1_002)])
        .await;
    stream.finish().await;
}

async fn serve(database: &TestDatabase, address: std::net::SocketAddr) -> Program {
    let listen = address.to_string();
    let flags = ["--listen", &listen, "--database-url", &database.url];
    Program::serve_on(address, &flags).await
}

#[tokio::test]
async fn changes_are_told_line_by_line_over_a_restart_of_the_server() {
    let database = support::database().await;
    let address = free_address();
    let mut program = serve(&database, address).await;
    let url = format!("http://{address}");
    let mut tail = Tail::start(&url, &["--output", "json", "--app", "orders"]);
    let mut number = 0;
    let first = loop {
        number += 1;
        record(address, &format!("first-{number}")).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if let Ok(line) = tail.lines.try_recv() {
            break line;
        }
        assert!(number < 100, "nothing is told");
    };
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        (&first["app"], &first["milliseconds"]),
        (&"orders".into(), &2_000.0.into())
    );

    assert_eq!(program.terminate().await, Some(0));
    let said = next(&tail.said).await;
    assert!(said.contains("trying again"), "{said}");
    let mut program = serve(&database, address).await;
    let mut number = 0;
    loop {
        number += 1;
        record(address, &format!("second-{number}")).await;
        let line = tail.next().await;
        if line.contains("second-") {
            break;
        }
    }
    tail.signal(Signal::INT);
    assert_eq!(tail.ended().await, Some(0));
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn it_ends_when_nobody_reads_it_and_when_the_question_is_wrong() {
    let database = support::database().await;
    let running = support::serve(&database.url, &[]).await;
    let address = running.local_addr();
    let url = format!("http://{address}");
    let mut wrong = Tail::start(&url, &["--status", "Sleeping"]);
    assert_eq!(wrong.ended().await, Some(1));
    assert!(next(&wrong.said).await.contains("Sleeping"));

    let mut child = Command::new(env!("CARGO_BIN_EXE_flowtrail"))
        .args(["tail", "--server", &url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut number = 0;
    while child.try_wait().expect("a child").is_none() {
        number += 1;
        assert!(number < 100, "it goes on");
        record(address, &format!("unread-{number}")).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    running.stop().await.unwrap();
}
