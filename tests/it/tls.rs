//! Certificates: who is served, who is not, and files that cannot be used.

use std::{path::PathBuf, time::Duration};

use flowtrail::server::{Limits, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::server::{Served, healthy};

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
        let mut tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(self.issuer.pem()));
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", served.address));
        let endpoint = endpoint.expect("a URL");
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
async fn who_does_not_shake_hands_loses_its_place() {
    let authority = Authority::new();
    authority.issue("server");
    let tls = authority.load(None).expect("certificates");
    let limits = Limits {
        opening: Duration::from_millis(200),
        ..Limits::new(1)
    };
    let served = Served::start(Some(tls), limits).await;
    let mut silent = served.connect().await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut rest));
    // closed in one way or another
    drop(read.await.expect("still open"));
    let own = authority.call(&served, None).await;
    own.expect("its place is free");
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
