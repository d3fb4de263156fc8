//! Load over REST: connections that post one event after the other, each when the one before is
//! answered, like engines with Flogo's own recorder.
//!
//! Requests are written and answers read by hand: the load shares its machine with what it measures,
//! and a client of general use takes as long for a request as the server does.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use bytes::{Buf as _, BytesMut};
use http::{StatusCode, Uri};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    body::Body,
    flows::{Flows, Occurrence, What},
    run::{Pace, Run},
    tally::Tally,
};
use crate::cli::Usage;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(5);
/// Headers of an answer at most.
const HEADERS: usize = 32;

/// Where to post to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The option and its value.
    named: String,
    authority: String,
    host: String,
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection {
    target: Target,
    stream: TcpStream,
    /// The request that is sent, and the bytes of answers that came.
    request: BytesMut,
    body: BytesMut,
    answer: BytesMut,
    /// The server ends it with the next answer.
    ending: bool,
}

impl Target {
    /// The server of a URL.
    ///
    /// # Errors
    /// [`Usage`] when it is none that can be posted to; `option` is named.
    pub(super) fn new(option: &str, url: &str) -> anyhow::Result<Self> {
        let uri = url.parse::<Uri>().ok();
        let plain = uri.filter(|uri| {
            uri.scheme_str() == Some("http") && uri.path_and_query().is_none_or(|path| path == "/")
        });
        let authority = plain.as_ref().and_then(Uri::authority).ok_or_else(|| {
            Usage::error(format!(
                "{option} {url} cannot be posted to; write it like http://host:9190, REST load goes without TLS"
            ))
        })?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self {
            named: format!("{option} {url}"),
            authority: format!("{}:{port}", authority.host()),
            host: authority.as_str().to_owned(),
        })
    }
}

impl Connection {
    pub(super) async fn open(target: Target) -> anyhow::Result<Self> {
        let named = &target.named;
        let tcp = timeout(CONNECT, TcpStream::connect(&target.authority))
            .await
            .map_err(|_| anyhow!("cannot reach {named}: no answer within {CONNECT:?}"))?
            .map_err(|error| anyhow!("cannot reach {named}: {error}; is the server running?"))?;
        tcp.set_nodelay(true)?;
        Ok(Self {
            target,
            stream: tcp,
            request: BytesMut::new(),
            body: BytesMut::new(),
            answer: BytesMut::new(),
            ending: false,
        })
    }

    /// Posts `flows`, event by event, until the run is over. An answer other than 200 counts as
    /// refused; a connection that ends between two requests is opened again.
    pub(super) async fn drive(
        mut self,
        mut flows: Flows,
        resends: f64,
        run: &Run,
        pace: Pace,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let posted = self.post_all(&mut flows, resends, run, pace, tally).await;
        tally.made(&flows);
        posted
    }

    async fn post_all(
        &mut self,
        flows: &mut Flows,
        resends: f64,
        run: &Run,
        mut pace: Pace,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let mut random = fastrand::Rng::new();
        loop {
            let due = pace.turn(run).await;
            if run.take(1) == 0 {
                return Ok(());
            }
            pace.used(1);
            let path = self.fill(&flows.next());
            let begun = due.unwrap_or_else(Instant::now);
            self.post(path, begun, run, tally).await?;
            if resends > 0.0 && random.f64() < resends {
                self.post(path, Instant::now(), run, tally).await?;
            }
        }
    }

    /// Makes the request of an event; answers with its path.
    fn fill(&mut self, occurrence: &Occurrence<'_>) -> &'static str {
        let (path, body): (_, &Body) = match occurrence.what {
            What::Step(step) => ("/v1/instances/steps", &step.body),
            What::Started => ("/v1/instances/start", &occurrence.script.start),
            What::Ended => ("/v1/instances/end", &occurrence.script.end),
        };
        self.body.clear();
        body.fill(&occurrence.values, occurrence.items, &mut self.body);
        self.request.clear();
        let length = self.body.len();
        let host = &self.target.host;
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
        .expect("memory takes everything");
        self.request.extend_from_slice(&self.body);
        path
    }

    async fn post(
        &mut self,
        path: &'static str,
        begun: Instant,
        run: &Run,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let answered = self.exchange().await;
        let status = answered.with_context(|| format!("POST {path}: the connection broke"))?;
        tally.answered(1, self.body.len() as u64, begun.elapsed());
        run.answered(1);
        if status == StatusCode::OK {
            tally.recorded += 1;
        } else {
            tally.refused += 1;
        }
        Ok(())
    }

    /// What the server says to a GET.
    pub(super) async fn get(&mut self, path: &'static str) -> anyhow::Result<String> {
        self.request.clear();
        let host = &self.target.host;
        write!(self.request, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")?;
        self.exchange().await?;
        Ok(String::from_utf8_lossy(&self.answer).into_owned())
    }

    /// Sends the request and reads the answer. A connection that the server ended between two
    /// requests is opened again.
    async fn exchange(&mut self) -> anyhow::Result<StatusCode> {
        let reused = !self.ending;
        if self.ending {
            self.open_again().await?;
        }
        match self.send_and_read().await? {
            Some(status) => Ok(status),
            None if reused => {
                self.open_again().await?;
                let status = self.send_and_read().await?;
                status.context("the server ends every connection")
            }
            None => bail!("the server ends every connection"),
        }
    }

    async fn open_again(&mut self) -> anyhow::Result<()> {
        self.stream = Self::open(self.target.clone()).await?.stream;
        self.ending = false;
        Ok(())
    }

    /// The status of the answer, whose body is then in hand; none when the connection had ended.
    async fn send_and_read(&mut self) -> anyhow::Result<Option<StatusCode>> {
        self.answer.clear();
        if self.stream.write_all(&self.request).await.is_err() {
            return Ok(None);
        }
        loop {
            let read = self.stream.read_buf(&mut self.answer).await;
            match read {
                Ok(0) | Err(_) if self.answer.is_empty() => return Ok(None),
                Ok(0) => bail!("an answer broke off"),
                read => drop(read?),
            }
            if let Some(answer) = Answer::read(&self.answer)? {
                self.answer.advance(answer.head);
                self.ending = answer.ends;
                return Ok(Some(answer.status));
            }
        }
    }
}

/// An answer that is there as a whole.
struct Answer {
    status: StatusCode,
    /// Bytes before the body.
    head: usize,
    /// The connection ends with it.
    ends: bool,
}

impl Answer {
    /// None as long as some of it is to come.
    fn read(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = response.parse(bytes)? else {
            return Ok(None);
        };
        let status = StatusCode::from_u16(response.code.unwrap_or_default())?;
        let body = &bytes[head..];
        let (mut length, mut whole, mut ends) = (None, false, false);
        for header in response.headers.iter() {
            let value = str::from_utf8(header.value).unwrap_or_default();
            if header.name.eq_ignore_ascii_case("content-length") {
                length = value.parse::<usize>().ok();
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                // the last chunk is the empty one
                whole = body.ends_with(b"0\r\n\r\n");
            } else if header.name.eq_ignore_ascii_case("connection") {
                ends = value.eq_ignore_ascii_case("close");
            }
        }
        let whole = length.map_or(whole, |length| body.len() >= length);
        Ok(whole.then_some(Self { status, head, ends }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there() {
        let answers = [
            ("200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, false),
            (
                "503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                503,
                true,
            ),
            (
                "200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                200,
                false,
            ),
        ];
        for (answer, status, ends) in answers {
            let answer = format!("HTTP/1.1 {answer}");
            for length in 0..answer.len() {
                let part = Answer::read(&answer.as_bytes()[..length]);
                assert!(
                    part.expect("a part of an answer").is_none(),
                    "{length} of {answer}"
                );
            }
            let read = Answer::read(answer.as_bytes()).expect("an answer");
            let read = read.expect("it is whole");
            assert_eq!(
                (read.status.as_u16(), read.ends),
                (status, ends),
                "{answer}"
            );
            assert_eq!(Some(read.head), answer.find("\r\n\r\n").map(|at| at + 4));
        }
        assert!(Answer::read(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn a_url_that_cannot_be_posted_to_is_called_wrong() {
        for url in [
            "https://host:9190",
            "host:9190",
            "http://host/v1",
            "http://",
            "",
        ] {
            let error = Target::new("--url", url).expect_err(url);
            assert!(error.is::<Usage>(), "{url}: {error}");
        }
        let target = Target::new("--url", "http://host/").expect("a URL");
        assert_eq!((&*target.authority, &*target.host), ("host:80", "host"));
    }
}
