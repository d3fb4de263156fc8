//! Load over REST: connections that post one event after the other, each when the one before is
//! answered, like engines with Flogo's own recorder.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use super::{
    flows::{Flows, What},
    run::{Pace, Run},
    tally::Tally,
};
use crate::cli::Usage;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes that bodies are made in.
const PORTION: usize = 256 << 10;

/// Where to post to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The option and its value.
    named: String,
    authority: String,
    host: header::HeaderValue,
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection {
    target: Target,
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
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
            host: authority.as_str().parse()?,
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
        let (requests, connection) = http1::handshake(TokioIo::new(tcp)).await?;
        #[expect(clippy::disallowed_methods, reason = "ends with the connection")]
        let driver = tokio::spawn(async move {
            // What went wrong is said to whoever waits for an answer.
            drop(connection.await);
        });
        Ok(Self {
            target,
            requests,
            driver,
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
        let mut bodies = BytesMut::new();
        loop {
            let due = pace.turn(run).await;
            if run.take(1) == 0 {
                return Ok(());
            }
            pace.used(1);
            if bodies.capacity() < PORTION / 4 {
                bodies.reserve(PORTION);
            }
            let occurrence = flows.next();
            let (path, body) = match occurrence.what {
                What::Step(step) => ("/v1/instances/steps", &step.body),
                What::Started => ("/v1/instances/start", &occurrence.script.start),
                What::Ended => ("/v1/instances/end", &occurrence.script.end),
            };
            body.fill(&occurrence.values, occurrence.items, &mut bodies);
            let body = bodies.split().freeze();
            let begun = due.unwrap_or_else(Instant::now);
            self.post(path, body.clone(), begun, run, tally).await?;
            if resends > 0.0 && random.f64() < resends {
                self.post(path, body, Instant::now(), run, tally).await?;
            }
        }
    }

    async fn post(
        &mut self,
        path: &'static str,
        body: Bytes,
        begun: Instant,
        run: &Run,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        if self.requests.ready().await.is_err() {
            // Between two requests a server may end a connection.
            *self = Self::open(self.target.clone()).await?;
        }
        let bytes = body.len() as u64;
        let request = Request::post(path)
            .header(header::HOST, &self.target.host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = self.requests.send_request(request).await;
        let answer = answer.with_context(|| format!("POST {path}: the connection broke"))?;
        let status = whole(answer).await;
        let (status, _) = status.with_context(|| format!("POST {path}: the answer broke off"))?;
        tally.answered(1, bytes, begun.elapsed());
        run.answered(1);
        if status == StatusCode::OK {
            tally.recorded += 1;
        } else {
            tally.refused += 1;
        }
        Ok(())
    }

    /// What the server says to a GET.
    pub(super) async fn get(&mut self, path: &'static str) -> anyhow::Result<(StatusCode, Bytes)> {
        let request = Request::get(path)
            .header(header::HOST, &self.target.host)
            .body(Full::default())?;
        whole(self.requests.send_request(request).await?).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer with its whole body: the connection is free again.
async fn whole(answer: Response<hyper::body::Incoming>) -> anyhow::Result<(StatusCode, Bytes)> {
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}
