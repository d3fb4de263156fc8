//! Certificates of the server and, when wanted, of its clients.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What a listener needs to speak TLS 1.2 and 1.3, offering `h2` and `http/1.1`.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// Why the certificates cannot be used. One sentence each, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing, not readable or not PEM of the right kind.
    #[error("cannot use {}: {problem}; name a PEM file with {wanted}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What should stand in it.
        wanted: &'static str,
    },
    /// The certificate is not of this key, or cannot be used.
    #[error("cannot use {} with {}: {problem}; name the key that the certificate was made for", certificate.display(), key.display())]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        problem: rustls::Error,
    },
    /// No client could be verified with this.
    #[error("cannot verify clients with {}: {problem}; name a PEM file with CA certificates", file.display())]
    ClientCa {
        /// The file of the client CA.
        file: PathBuf,
        /// What is wrong with it.
        problem: VerifierBuilderError,
    },
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the server's certificate chain and key. With `client_ca` clients must show a
    /// certificate signed by one of the certificates in it.
    ///
    /// # Errors
    /// When a file cannot be used, or the key is not the certificate's.
    pub fn load(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates(certificate, "the server's certificate chain")?;
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unusable(key, &error, "the server's private key"))?;
        let verifier = client_ca
            .map(|file| verifier(file, &provider))
            .transpose()?;

        let pair = |problem| Error::Pair {
            certificate: certificate.into(),
            key: key.into(),
            problem,
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(pair)?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, secret).map_err(pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

fn verifier(
    file: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let wanted = "CA certificates";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, wanted)? {
        roots.add(certificate).map_err(|problem| Error::File {
            file: file.into(),
            problem: problem.to_string(),
            wanted,
        })?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|problem| Error::ClientCa {
            file: file.into(),
            problem,
        })
}

fn certificates(file: &Path, wanted: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(unusable(file, &pem::Error::NoItemsFound, wanted)),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(file, &error, wanted)),
    }
}

fn unusable(file: &Path, error: &pem::Error, wanted: &'static str) -> Error {
    let problem = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none in it".into(),
        _ => "it is not PEM".into(),
    };
    Error::File {
        file: file.into(),
        problem,
        wanted,
    }
}
