//! The port: HTTP/1.1, HTTP/2 and TLS on one socket, and how it closes.
//!
//! Bind first ([`Listener::bind`]), then serve ([`serve`]). Invariants: at most
//! [`Limits::connections`] connections, further ones wait in the kernel; a connection that says
//! nothing, is not there any more or does not read keeps its place for a while only; a failing
//! `accept` never spins and a failing connection never touches another. Not here: who may call what, and anything about a route.

mod closing;
mod limits;
mod opening;
mod patience;
mod reading;
mod tls;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::response::Response;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use http::Request;
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{rt::TokioIo, server::conn::auto::Builder};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use limits::Limits;
pub use patience::patience;
pub use tls::{Error as TlsError, Tls};

use crate::lifecycle::Lifecycle;

/// Why the server cannot listen. One sentence each, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; {}", bind_remedy(.source))]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A file for TLS cannot be used: the command was called wrongly.
    #[error("{0}")]
    Tls(#[from] TlsError),
}

fn bind_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there or choose another port",
        io::ErrorKind::AddrNotAvailable => "choose an address of this machine, or 0.0.0.0",
        io::ErrorKind::PermissionDenied => "choose a port from 1024 on",
        _ => "choose another address",
    }
}

/// A bound port that nobody serves yet; the kernel queues who comes.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. With `tls` every connection must speak it.
    ///
    /// # Errors
    /// [`Error::Bind`] when the address is taken, not ours or not allowed.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>) -> Result<Self, Error> {
        let bind = async {
            let socket = TcpListener::bind(address).await?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        };
        let (socket, address) = bind
            .await
            .map_err(|source| Error::Bind { address, source })?;
        Ok(Self {
            socket,
            address,
            tls,
        })
    }

    /// The address it listens on, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// Accepts until `lifecycle` stops; returns once nothing new is accepted. Connections then are told
/// to go away and end with their running requests, as tasks of `lifecycle`.
pub async fn serve<S>(listener: Listener, service: S, limits: Limits, lifecycle: Lifecycle)
where
    S: Serves,
{
    let accepting = accept(listener, service, limits, &lifecycle);
    lifecycle.stopping().run_until_cancelled(accepting).await;
}

/// What answers requests: a router, or one with something in front. It is always ready.
pub trait Serves:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Serves for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

async fn accept<S: Serves>(listener: Listener, service: S, limits: Limits, lifecycle: &Lifecycle) {
    let Listener { socket, tls, .. } = listener;
    let places = Arc::new(Semaphore::new(limits.connections));
    let connection = Connection {
        protocol: limits::protocol(limits, Tasks(lifecycle.clone())),
        service,
        tls,
        limits,
        stopping: lifecycle.stopping().clone(),
    };
    let mut pauses = None;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match socket.accept().await {
            Ok((stream, peer)) => {
                pauses = None;
                let connection = connection.clone();
                lifecycle.spawn(async move {
                    connection.run(stream, peer).await;
                    drop(place);
                });
            }
            Err(error) if one_connection(&error) => tracing::debug!(%error, "a peer went away"),
            // Out of file descriptors or memory: trying at once would only spin.
            Err(error) => {
                let pauses = pauses.get_or_insert_with(|| {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                    ExponentialBuilder::new()
                        .with_min_delay(Duration::from_millis(5))
                        .with_max_delay(Duration::from_secs(1))
                        .without_max_times()
                        .build()
                });
                sleep(pauses.next().unwrap_or(Duration::from_secs(1))).await;
            }
        }
    }
}

/// Whether `accept` failed for the connection it would have returned, not for the socket.
fn one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Runs HTTP/2 streams as tasks of the lifecycle, so that a stop waits for them too.
#[derive(Clone)]
struct Tasks(Lifecycle);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

#[derive(Clone)]
struct Connection<S> {
    protocol: Builder<Tasks>,
    service: S,
    tls: Option<Tls>,
    limits: Limits,
    stopping: CancellationToken,
}

impl<S: Serves> Connection<S> {
    async fn run(&self, stream: TcpStream, peer: SocketAddr) {
        // Acknowledgements are small and waited for.
        let _ = stream.set_nodelay(true);
        let outcome = match &self.tls {
            None => self.speak(stream).await,
            Some(tls) => match self.shake_hands(tls, stream).await {
                Some(Ok(stream)) => self.speak(stream).await,
                Some(Err(error)) => Err(error.into()),
                None => Ok(()),
            },
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, error, "a connection failed");
        }
    }

    /// The encrypted stream; none when the process stops first.
    async fn shake_hands(
        &self,
        tls: &Tls,
        stream: TcpStream,
    ) -> Option<io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>> {
        let handshake = timeout(self.limits.opening, tls.accept(stream));
        let outcome = self.stopping.run_until_cancelled(handshake).await?;
        Some(outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())))
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let service = service_fn(|request| self.service.clone().call(request));
        let stream = reading::Reading::new(stream, self.limits.unread);
        let stream = opening::Opening::new(stream, self.limits.opening);
        let stream = closing::Closing::new(stream);
        let io = TokioIo::new(stream);
        let mut connection = pin!(self.protocol.serve_connection_with_upgrades(io, service));
        tokio::select! {
            biased;
            outcome = connection.as_mut() => return outcome,
            () = self.stopping.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}
