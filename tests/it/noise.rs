//! Random bytes on the port of the real program.

use std::{fs, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::support::{self, Chance, Program, Stream, hello, step};

/// Connections at once.
const AT_ONCE: u64 = 64;
/// What the program may grow by while thousands of connections come and go.
const GROWTH_KIB: u64 = 32 << 10;

/// How the noise begins: what gets past the first look meets the next layer.
const BEGINNINGS: [&[u8]; 5] = [
    b"",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"POST /flowtrail.v1.Recorder/Record HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nContent-Length: 9999\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
];

async fn one(address: SocketAddr, seed: u64) {
    let mut chance = Chance(seed);
    let Ok(mut socket) = TcpStream::connect(address).await else {
        panic!("nobody accepts connection {seed}");
    };
    let beginning = BEGINNINGS[chance.below(BEGINNINGS.len())];
    let count = chance.below(8_192);
    let noise = chance.bytes(count);
    // the program may hang up at any time
    let _ = socket.write_all(beginning).await;
    let _ = socket.write_all(&noise).await;
    if chance.below(2) == 0 {
        let mut answer = Vec::new();
        let read = socket.read_to_end(&mut answer);
        let _ = timeout(Duration::from_millis(20), read).await;
    }
}

async fn storm(address: SocketAddr, seeds: std::ops::Range<u64>) {
    let mut connections = JoinSet::new();
    for seed in seeds {
        if connections.len() as u64 >= AT_ONCE {
            connections
                .join_next()
                .await
                .expect("some")
                .expect("no panic");
        }
        connections.spawn(one(address, seed));
    }
    connections.join_all().await;
}

/// Memory of a process that is in use, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a number of kB")
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_neither_stop_the_program_nor_make_it_grow() {
    let database = support::database().await;
    let mut program = Program::serve(&["--database-url", &database.url, "--log", "error"]).await;
    storm(program.address, 0..500).await;
    let before = resident_kib(program.pid());
    storm(program.address, 500..4_500).await;
    assert!(program.ready().await);
    let after = resident_kib(program.pid());
    let grown = after.saturating_sub(before);
    assert!(grown < GROWTH_KIB, "from {before} KiB to {after} KiB");
    let (mut stream, _) = Stream::greet(program.address, hello("orders")).await;
    stream.chunk([step("i1", 0)]).await;
    assert_eq!(stream.finish().await.recorded, 1);
    assert_eq!(program.terminate().await, Some(0));
}
