//! What a connection's bytes go through: a socket, with TLS or without.
//!
//! It is the driver's, until it is lent to whoever speaks with the server [directly](super::direct).
//! Meanwhile the driver, which has no question open then, sees a server that says nothing.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_postgres::{
    Config,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Target;

/// A socket, or TLS over one.
pub(super) type Stream = Box<dyn Duplex>;

type MakeSecure = <MakeRustlsConnect as MakeTlsConnect<Stream>>::TlsConnect;
type SecureStream = <MakeRustlsConnect as MakeTlsConnect<Stream>>::Stream;

/// Bytes in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// What ties a password to this very line, so that nobody in between can use it.
    fn binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl Duplex for TcpStream {}
impl Duplex for UnixStream {}
impl Duplex for SecureStream {
    fn binding(&self) -> ChannelBinding {
        self.channel_binding()
    }
}

/// The driver's end.
#[derive(Clone)]
pub(super) struct Pipe(Arc<Mutex<State>>);

struct State {
    place: Place,
    /// Whom to wake when the stream comes back, or does not. Who borrowed it has taken the driver's
    /// place among those whom the socket wakes.
    driver: Waker,
}

/// Where the stream is.
enum Place {
    Home(Stream),
    Lent,
    /// It was lent and did not come back.
    Lost,
}

impl Pipe {
    /// Connects to `target`, to the first of its addresses that answers.
    ///
    /// # Errors
    /// What the last address did instead.
    pub(super) async fn dial(target: &Target, config: &Config) -> io::Result<Self> {
        let stream: Stream = if target.is_socket() {
            let path = format!("{}/.s.PGSQL.{}", target.host, target.port);
            Box::new(in_time(config, UnixStream::connect(path)).await?)
        } else {
            Box::new(tcp(target, config).await?)
        };
        Ok(Self(Arc::new(Mutex::new(State {
            place: Place::Home(stream),
            driver: Waker::noop().clone(),
        }))))
    }

    /// Takes the stream; none when it is elsewhere. Nothing may be open with the driver.
    pub(super) fn lend(&self) -> Option<Stream> {
        let place = &mut self.state().place;
        match std::mem::replace(place, Place::Lent) {
            Place::Home(stream) => Some(stream),
            elsewhere => {
                *place = elsewhere;
                None
            }
        }
    }

    /// Gives the stream back, between two messages of either side; none says that it is lost, and
    /// ends the connection.
    pub(super) fn give_back(&self, stream: Option<Stream>) {
        let mut state = self.state();
        state.place = stream.map_or(Place::Lost, Place::Home);
        state.driver.wake_by_ref();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` with the stream when it is here.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        work: impl FnOnce(Pin<&mut Stream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut state = self.state();
        state.driver.clone_from(cx.waker());
        match &mut state.place {
            Place::Home(stream) => work(Pin::new(stream), cx),
            Place::Lent => Poll::Pending,
            Place::Lost => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_read(cx, into))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, AsyncWrite::poll_shutdown)
    }
}

impl TlsStream for Pipe {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.state().place {
            Place::Home(stream) => stream.binding(),
            Place::Lent | Place::Lost => ChannelBinding::none(),
        }
    }
}

/// Puts TLS into a [`Pipe`] once the server has agreed to it.
pub(super) struct Secure(MakeSecure);

impl Secure {
    /// With the name that the server's certificate may be for.
    pub(super) fn new(tls: &MakeRustlsConnect, target: &Target) -> Self {
        let mut tls = tls.clone();
        let Ok(secure) = MakeTlsConnect::<Stream>::make_tls_connect(&mut tls, &target.host);
        Self(secure)
    }
}

impl TlsConnect<Pipe> for Secure {
    type Stream = Pipe;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Pipe>> + Send>>;

    fn connect(self, pipe: Pipe) -> Self::Future {
        Box::pin(async move {
            let stream = pipe.lend().ok_or(io::ErrorKind::UnexpectedEof)?;
            let stream = self.0.connect(stream).await?;
            pipe.give_back(Some(Box::new(stream)));
            Ok(pipe)
        })
    }
}

async fn tcp(target: &Target, config: &Config) -> io::Result<TcpStream> {
    let addresses = match target.address {
        Some(address) => vec![(address, target.port).into()],
        None => lookup_host((&*target.host, target.port)).await?.collect(),
    };
    let mut outcome = Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the lookup address has no answer",
    ));
    for address in addresses {
        outcome = in_time(config, TcpStream::connect(address)).await;
        if outcome.is_ok() {
            break;
        }
    }
    let stream = outcome?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(config.get_tcp_user_timeout().copied())?;
    if config.get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
        if let Some(interval) = config.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(stream)
}

/// Waits as long as one address may take.
async fn in_time<T>(
    config: &Config,
    connecting: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let Some(patience) = config.get_connect_timeout() else {
        return connecting.await;
    };
    timeout(*patience, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
