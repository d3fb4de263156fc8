//! An HTTP/1.1 client driven by hand: one connection that is kept, and bytes as the test wants them.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Status, headers and body of an answer.
pub(crate) type Answer = (u16, HeaderMap, String);

/// A client of one server with one connection at a time.
pub(crate) struct Rest {
    address: SocketAddr,
    socket: Option<BufReader<TcpStream>>,
    /// Connections it has opened so far.
    pub(crate) connections: usize,
}

impl Rest {
    /// A client that connects with its first request.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            socket: None,
            connections: 0,
        }
    }

    /// Sends a request and waits for its answer, on the connection of the one before unless the
    /// server has closed it.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "content-length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat()).await;
        self.answer(method).await
    }

    /// Sends bytes as they are; a server that no longer reads is no failure.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        if self.socket.is_none() {
            let socket = TcpStream::connect(self.address).await;
            let socket = socket.expect("the server accepts");
            socket.set_nodelay(true).expect("a TCP socket");
            self.socket = Some(BufReader::new(socket));
            self.connections += 1;
        }
        let socket = self.socket.as_mut().expect("connected above");
        let _ = socket.write_all(bytes).await;
        let _ = socket.flush().await;
    }

    /// Says that nothing more is sent on this connection.
    pub(crate) async fn half_close(&mut self) {
        if let Some(socket) = &mut self.socket {
            let _ = socket.shutdown().await;
        }
    }

    /// Reads the answer to a request of `method`.
    pub(crate) async fn answer(&mut self, method: &str) -> Answer {
        let answer = timeout(PATIENCE, self.read(method)).await;
        let answer = answer.expect("an answer within 60 s");
        answer.expect("an answer, not the end of the connection")
    }

    /// The answer; none when the connection ends before it is complete.
    pub(crate) async fn read(&mut self, method: &str) -> Option<Answer> {
        let mut socket = self.socket.take()?;
        let line = line(&mut socket).await?;
        let status: u16 = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = HeaderMap::new();
        loop {
            let line = self::line(&mut socket).await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a header's name"),
                HeaderValue::from_str(value.trim()).expect("a header's value"),
            );
        }
        let says = |name: &str, word: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        let length = headers.get("content-length");
        let length = length.map(|value| value.to_str().expect("text").parse().expect("a number"));
        let mut body = Vec::new();
        let bodiless = method == "HEAD" || status == 204 || status == 304 || status < 200;
        if bodiless {
        } else if says("transfer-encoding", "chunked") {
            loop {
                let size = self::line(&mut socket).await?;
                let size = usize::from_str_radix(&size, 16).expect("a chunk's size");
                let begin = body.len();
                body.resize(begin + size, 0);
                socket.read_exact(&mut body[begin..]).await.ok()?;
                self::line(&mut socket).await?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = length {
            body.resize(length, 0);
            socket.read_exact(&mut body).await.ok()?;
        } else {
            socket.read_to_end(&mut body).await.ok()?;
        }
        let ended = length.is_none() && body.is_empty() && !bodiless;
        if !says("connection", "close") && !ended {
            self.socket = Some(socket);
        }
        Some((status, headers, String::from_utf8(body).expect("text")))
    }
}

/// A line without its end; none at the end of the connection.
async fn line(socket: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = socket.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}
