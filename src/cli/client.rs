//! How a command reaches a server.

use std::{error::Error as StdError, io, path::PathBuf, time::Duration};

use clap::Args;
use rustls::RootCertStore;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::Usage;

/// How long to wait for a server, the TLS handshake included.
const CONNECT: Duration = Duration::from_secs(5);

/// The server a command talks to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// URL of the server, http:// or https://
    #[arg(
        long,
        value_name = "URL",
        env = "FLOWTRAIL_SERVER",
        default_value = "http://127.0.0.1:9190"
    )]
    pub server: String,
    /// CA certificates that the server's was signed by (PEM); by default the system's
    #[arg(long, value_name = "FILE", env = "FLOWTRAIL_SERVER_CA")]
    pub tls_ca: Option<PathBuf>,
    /// Certificate to show to the server (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOWTRAIL_CLIENT_CERT",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOWTRAIL_CLIENT_KEY",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
}

impl ServerOptions {
    /// A connected channel to the server.
    ///
    /// # Errors
    /// One line: the URL or a file cannot be used (a [`Usage`] error), or nobody answers.
    pub async fn channel(&self) -> anyhow::Result<Channel> {
        let url = &self.server;
        let endpoint = Endpoint::from_shared(url.clone())
            .ok()
            .filter(|endpoint| endpoint.uri().host().is_some());
        let mut endpoint = match endpoint {
            Some(endpoint) => endpoint.connect_timeout(CONNECT).tcp_nodelay(true),
            None => return Err(self.unusable()),
        };
        match endpoint.uri().scheme_str() {
            Some("http") if self.tls_ca.is_some() || self.tls_cert.is_some() => {
                return Err(Usage::error(format!(
                    "--server {url} is not encrypted; write https:// or leave --tls-ca and --tls-cert"
                )));
            }
            Some("http") => {}
            Some("https") => endpoint = endpoint.tls_config(self.tls()?)?,
            _ => return Err(self.unusable()),
        }
        tokio::time::timeout(CONNECT, endpoint.connect())
            .await
            .map_err(|_| anyhow::anyhow!("cannot reach {url}: no answer within {CONNECT:?}"))?
            .map_err(|error| unreachable(url, &error))
    }

    fn unusable(&self) -> anyhow::Error {
        Usage::error(format!(
            "--server {} is not a URL; write it like http://host:9190 or https://host:9190",
            self.server
        ))
    }

    fn tls(&self) -> anyhow::Result<ClientTlsConfig> {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.tls_ca {
            Some(file) => tls.ca_certificate(Certificate::from_pem(read("--tls-ca", file)?)),
            None => tls.trust_anchors(system_roots()?),
        };
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            let certificate = read("--tls-cert", certificate)?;
            tls = tls.identity(Identity::from_pem(certificate, read("--tls-key", key)?));
        }
        Ok(tls)
    }
}

fn system_roots() -> anyhow::Result<Vec<rustls::pki_types::TrustAnchor<'static>>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    anyhow::ensure!(
        !roots.is_empty(),
        "this system has no CA certificates; install them or name a file with --tls-ca"
    );
    Ok(roots.roots)
}

fn read(option: &str, file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        Usage::error(format!(
            "{option} {}: {error}; name a PEM file",
            file.display()
        ))
    })
}

fn unreachable(url: &str, error: &(dyn StdError + 'static)) -> anyhow::Error {
    let cause = root(error);
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => {
            anyhow::anyhow!("cannot reach {url}: is `flowtrail serve` running there?")
        }
        _ => anyhow::anyhow!("cannot reach {url}: {cause}"),
    }
}

/// What a server answered to a `call` that failed, in one line.
pub fn refused(call: &str, status: &tonic::Status) -> anyhow::Error {
    match status.source() {
        Some(source) => {
            let cause = root(source);
            anyhow::anyhow!("{call}: the connection broke ({cause}); try again")
        }
        None => anyhow::anyhow!("{call}: {} ({:?})", status.message(), status.code()),
    }
}

/// The first cause; what stands above it only says that something failed.
pub fn root<'a>(mut error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
