//! The port: protocols, certificates, rubbish, limits and the stop.

use std::{path::PathBuf, time::Duration};

use axum::{Router, routing::get};
use flowtrail::{
    lifecycle::Lifecycle,
    server::{self, Limits, Listener, Tls},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{
    service::Routes,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const PATIENCE: Duration = Duration::from_secs(10);

struct Served {
    address: std::net::SocketAddr,
    lifecycle: Lifecycle,
}

impl Served {
    async fn start(tls: Option<Tls>, limits: Limits) -> Self {
        let lifecycle = Lifecycle::default();
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), tls)
            .await
            .expect("a free port");
        let address = listener.local_addr();
        let (_reporter, health) = tonic_health::server::health_reporter();
        let router = Routes::new(health)
            .into_axum_router()
            .merge(Router::new().route("/hello", get(async || "hello")));
        lifecycle.spawn(server::serve(listener, router, limits, lifecycle.clone()));
        Self { address, lifecycle }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// What HTTP/1.1 answers.
    async fn hello(&self) -> String {
        let mut stream = self.connect().await;
        let request = b"GET /hello HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.expect("writes");
        let mut answer = String::new();
        let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
        read.expect("in time").expect("an answer");
        answer
    }

    async fn healthy(&self) -> bool {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        healthy(endpoint.expect("a URL").connect().await)
            .await
            .is_ok()
    }

    async fn stop(self) {
        self.lifecycle.stop();
        assert!(self.lifecycle.join(PATIENCE).await, "tasks were left");
        assert!(TcpStream::connect(self.address).await.is_err());
    }
}

async fn healthy(channel: Result<Channel, tonic::transport::Error>) -> Result<(), String> {
    let service = String::new();
    let mut client = HealthClient::new(channel.map_err(|error| format!("{error:?}"))?);
    let check = timeout(PATIENCE, client.check(HealthCheckRequest { service })).await;
    let check = check.expect("in time");
    check.map(drop).map_err(|status| format!("{status:?}"))
}

#[tokio::test]
async fn http1_and_http2_share_a_port() {
    let served = Served::start(None, Limits::new(8)).await;
    let answer = served.hello().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(served.healthy().await);
    served.stop().await;
}

#[tokio::test]
async fn random_bytes_harm_nobody_and_leave_nothing_behind() {
    let served = Served::start(None, Limits::new(32)).await;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..1000 {
        let mut bytes = Vec::new();
        for _ in 0..=(round % 40) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes.extend(seed.to_le_bytes());
        }
        if round % 5 == 0 {
            bytes.splice(0..0, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        }
        let mut stream = served.connect().await;
        // The server may close before everything is written.
        let _ = stream.write_all(&bytes).await;
        if round % 3 == 0 {
            let mut answer = Vec::new();
            let _ = stream.shutdown().await;
            let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "a connection stays after {bytes:?}");
        }
    }
    assert!(served.healthy().await);
    assert!(served.hello().await.ends_with("hello"));
    served.stop().await;
}

#[tokio::test]
async fn who_says_nothing_loses_its_place() {
    let limits = Limits {
        opening: Duration::from_millis(200),
        ..Limits::new(2)
    };
    let served = Served::start(None, limits).await;
    let mut silent = served.connect().await;
    let mut slow = served.connect().await;
    slow.write_all(b"PRI * HT").await.expect("writes");
    // Both places are taken: this one is answered when one is free again.
    assert!(served.hello().await.ends_with("hello"));
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "still open");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_stop_ends_idle_connections_of_every_protocol() {
    let served = Served::start(None, Limits::new(8)).await;
    let silent = served.connect().await;
    let mut kept = served.connect().await;
    let request = b"GET /hello HTTP/1.1\r\nhost: here\r\n\r\n";
    kept.write_all(request).await.expect("writes");
    let mut first = [0; 15];
    kept.read_exact(&mut first).await.expect("an answer");
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address));
    let channel = endpoint.expect("a URL").connect().await;
    healthy(channel.map_err(|error| panic!("{error:?}")))
        .await
        .expect("healthy");
    served.stop().await;
    drop(silent);
}

/// Certificates of one test.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a CA");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { directory, issuer }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Certificate and key, in PEM and as files `NAME.pem` and `NAME.key`.
    fn issue(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        std::fs::write(self.file(&format!("{name}.pem")), &certificate).expect("written");
        std::fs::write(self.file(&format!("{name}.key")), &key).expect("written");
        (certificate, key)
    }

    fn load(&self, client_ca: Option<&str>) -> Result<Tls, String> {
        let client_ca = client_ca.map(|name| self.file(name));
        Tls::load(
            &self.file("server.pem"),
            &self.file("server.key"),
            client_ca.as_deref(),
        )
        .map_err(|error| error.to_string())
    }

    async fn call(&self, served: &Served, identity: Option<Identity>) -> Result<(), String> {
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.issuer.pem()));
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let url = format!("https://localhost:{}", served.address.port());
        let endpoint = Endpoint::from_shared(url).expect("a URL");
        let endpoint = endpoint
            .tls_config(tls)
            .map_err(|error| format!("{error:?}"))?;
        healthy(endpoint.connect().await).await
    }
}

#[tokio::test]
async fn tls_serves_who_trusts_it_and_nobody_in_plain_text() {
    let authority = Authority::new();
    authority.issue("server");
    let tls = authority.load(None).expect("certificates");
    let served = Served::start(Some(tls), Limits::new(8)).await;
    authority
        .call(&served, None)
        .await
        .expect("a trusted server");
    let stranger = Authority::new();
    stranger.call(&served, None).await.expect_err("another CA");
    assert!(!served.healthy().await);
    served.stop().await;
}

#[tokio::test]
async fn a_client_ca_admits_only_its_own() {
    let authority = Authority::new();
    authority.issue("server");
    let stranger = Authority::new();
    let tls = authority.load(Some("ca.pem")).expect("certificates");
    let served = Served::start(Some(tls), Limits::new(8)).await;
    let (certificate, key) = authority.issue("client");
    let own = Identity::from_pem(certificate, key);
    authority
        .call(&served, Some(own))
        .await
        .expect("its own client");
    authority
        .call(&served, None)
        .await
        .expect_err("no certificate");
    let (certificate, key) = stranger.issue("client");
    let other = Identity::from_pem(certificate, key);
    authority
        .call(&served, Some(other))
        .await
        .expect_err("another CA");
    served.stop().await;
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_remedy() {
    let authority = Authority::new();
    let check = |client_ca: Option<&str>, words: &[&str]| {
        let error = authority.load(client_ca).expect_err("unusable");
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(!error.contains('\n'), "{error}");
    };
    check(None, &["server.pem", "No such file", "certificate chain"]);
    let (certificate, _) = authority.issue("server");
    std::fs::write(authority.file("server.pem"), "rubbish").expect("written");
    check(None, &["server.pem", "there is none in it"]);
    std::fs::write(authority.file("server.pem"), certificate).expect("written");
    std::fs::write(authority.file("server.key"), "").expect("written");
    check(None, &["server.key", "private key"]);
    let (_, other) = authority.issue("other");
    std::fs::write(authority.file("server.key"), other).expect("written");
    check(None, &["server.pem", "server.key", "made for"]);
    authority.issue("server");
    std::fs::write(authority.file("empty.pem"), "").expect("written");
    check(Some("empty.pem"), &["empty.pem", "CA certificates"]);
    check(Some("missing.pem"), &["missing.pem", "CA certificates"]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_remedy() {
    let served = Served::start(None, Limits::new(8)).await;
    let again = Listener::bind(served.address, None).await;
    let error = again.expect_err("taken").to_string();
    let address = served.address.to_string();
    assert!(
        error.contains(&address) && error.contains("another port"),
        "{error}"
    );
    served.stop().await;
}
