//! A line to a server that can be cut, held still or slowed.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// How the connections open at that time behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Good,
    /// At most so many bytes pass at once, and wait this long.
    Slow(usize, Duration),
    /// Closed once so many bytes more have gone to the server.
    CutAfter(usize),
    /// Nothing passes and for long nothing is closed once so many bytes more have gone to the server.
    HoldAfter(usize),
    Cut,
}

/// Bytes that pass at once, at most.
const BUFFER: usize = 16 << 10;

/// How long keepalives take to find out that nobody is at the other end any more: those that lanes ask
/// their database for.
const KEEPALIVES: Duration = Duration::from_secs(14);

/// A port that leads to another; ends when dropped. What is done to the line is done to the
/// connections that are open; later ones are good.
pub(crate) struct Proxy {
    address: SocketAddr,
    line: watch::Sender<watch::Sender<Line>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A line to `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let line = watch::Sender::new(watch::Sender::new(Line::Good));
        let lines = line.subscribe();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let line = lines.borrow().subscribe();
                connections.spawn(async move {
                    // a server that is away closes the client's end too
                    let _ = carry(client, target, line).await;
                });
            }
        });
        Self {
            address,
            line,
            _accepting: accepting,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes what is open.
    pub(crate) fn cut(&self) {
        self.renew(Line::Cut);
    }

    /// Closes each connection that is open once it has sent `bytes` more.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.renew(Line::CutAfter(bytes));
    }

    /// Lets nothing pass on what is open once it has sent `bytes` more, as a broken network does:
    /// nobody is told.
    pub(crate) fn hold_after(&self, bytes: usize) {
        self.renew(Line::HoldAfter(bytes));
    }

    /// Makes what is open slow: `bytes` at a time.
    pub(crate) fn slow(&self, bytes: usize, pause: Duration) {
        self.renew(Line::Slow(bytes, pause));
    }

    fn renew(&self, now: Line) {
        let old = self.line.send_replace(watch::Sender::new(Line::Good));
        old.send_replace(now);
        // its connections go on as they were told, with nobody left to tell them otherwise
        std::mem::forget(old);
    }
}

async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    line: watch::Receiver<Line>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        ended = pass(from_client, to_server, line.clone(), true) => ended,
        ended = pass(from_server, to_client, line, false) => ended,
    }
}

/// Passes bytes on until the end, or until the line is cut; `counts` the bytes that [`Line`] limits.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: watch::Receiver<Line>,
    counts: bool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let (mut most, mut left) = (BUFFER, None);
    loop {
        let now = *line.borrow_and_update();
        match now {
            Line::Good => {}
            Line::Slow(bytes, pause) => {
                most = bytes;
                tokio::time::sleep(pause).await;
            }
            Line::CutAfter(bytes) | Line::HoldAfter(bytes) => {
                left = left.or(counts.then_some(bytes));
            }
            Line::Cut => return Ok(()),
        }
        let read = tokio::select! {
            biased;
            Ok(()) = line.changed() => continue,
            read = from.read(&mut buffer[..most]) => read?,
        };
        let passed = left.map_or(read, |left: usize| left.min(read));
        to.write_all(&buffer[..passed]).await?;
        if let Some(left) = &mut left {
            *left -= passed;
            match now {
                // what keepalives would find out, which our end of the line answers
                Line::HoldAfter(_) if *left == 0 => {
                    tokio::time::sleep(KEEPALIVES).await;
                    return Ok(());
                }
                _ if *left == 0 => return Ok(()),
                _ => {}
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}
