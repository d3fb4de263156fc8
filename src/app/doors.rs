//! The ports: one for everything, or gRPC and what operators ask for apart. REST has the main one.

use std::net::SocketAddr;

use axum::response::Response;
use futures_util::future::Either;
use http::Request;
use hyper::body::Incoming;

use crate::{
    config,
    lifecycle::Lifecycle,
    rest,
    server::{self, Limits, Listener, Tls},
};

/// Bound, not served yet.
pub(super) struct Doors {
    main: Listener,
    grpc: Option<Listener>,
    admin: Option<Listener>,
}

impl Doors {
    /// Binds them, TLS on all but the admin's.
    pub(super) async fn open(listen: &config::Listen) -> Result<Self, server::Error> {
        let tls = match (&listen.tls_cert, &listen.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls::load(
                certificate,
                key,
                listen.tls_client_ca.as_deref(),
            )?),
            _ => None,
        };
        let main = Listener::bind(listen.listen, tls.clone()).await?;
        let grpc = match listen.grpc_listen {
            Some(address) => Some(Listener::bind(address, tls).await?),
            None => None,
        };
        let admin = match listen.admin_listen {
            Some(address) => Some(Listener::bind(address, None).await?),
            None => None,
        };
        Ok(Self { main, grpc, admin })
    }

    /// Serves each router behind its door, REST always behind the main one; answers with the
    /// address of gRPC. What engines post passes by them (`post`); whatever has no route at the main
    /// one is `rest`'s to answer.
    pub(super) fn serve<P, F>(
        self,
        grpc: axum::Router,
        rest: axum::Router,
        post: P,
        admin: axum::Router,
        listen: &config::Listen,
        lifecycle: &Lifecycle,
    ) -> SocketAddr
    where
        P: Fn(Request<Incoming>) -> Either<F, Request<Incoming>> + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let limits = Limits::new(listen.max_connections);
        let open = |listener, router: axum::Router| {
            lifecycle.spawn(server::serve(listener, router, limits, lifecycle.clone()));
        };
        let mut main = rest;
        let mut address = self.main.local_addr();
        match self.grpc {
            Some(door) => {
                address = door.local_addr();
                open(door, grpc);
            }
            None => main = main.merge(grpc.reset_fallback()),
        }
        match self.admin {
            Some(door) => {
                open(door, admin);
            }
            None => main = main.merge(admin),
        }
        let main = rest::ahead(main, post);
        lifecycle.spawn(server::serve(self.main, main, limits, lifecycle.clone()));
        address
    }
}
