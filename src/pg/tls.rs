//! TLS to PostgreSQL with libpq's `sslmode`, on rustls.
//!
//! - `prefer` and `require` encrypt without verifying; with `sslrootcert` they verify like
//!   `verify-ca`.
//! - `verify-ca` asks for a certificate signed by a root in `sslrootcert`, whatever name it has.
//! - `verify-full` also asks for the name; without `sslrootcert` it takes the system's roots.
//! - A server certificate that itself stands in `sslrootcert` is trusted as it is, as one made by
//!   `openssl req -x509` must be.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;

/// How much of TLS is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    System,
    File(PathBuf),
}

/// What a database URL says about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) mode: Mode,
    root: Option<Root>,
    identity: Option<(PathBuf, PathBuf)>,
    /// Start with TLS at once (`sslnegotiation=direct`, PostgreSQL 17).
    pub(super) direct: bool,
}

impl Settings {
    pub(super) fn new(
        mode: Option<Mode>,
        root: Option<Root>,
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
        direct: bool,
    ) -> Result<Self, String> {
        let mode = mode.unwrap_or(match root {
            Some(Root::System) => Mode::VerifyFull,
            _ => Mode::Prefer,
        });
        let root = match (root, mode) {
            (Some(Root::System), mode) if mode < Mode::VerifyFull => {
                return Err("`sslrootcert=system` needs sslmode=verify-full".to_owned());
            }
            (None, Mode::VerifyCa) => {
                return Err(
                    "`sslmode=verify-ca` needs sslrootcert=FILE with the certificate to trust"
                        .to_owned(),
                );
            }
            (None, Mode::VerifyFull) => Some(Root::System),
            (root, _) => root,
        };
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err("`sslcert` and `sslkey` go together".to_owned()),
        };
        if direct && mode < Mode::Require {
            return Err("`sslnegotiation=direct` needs sslmode=require or more".to_owned());
        }
        Ok(Self {
            mode,
            root,
            identity,
            direct,
        })
    }

    /// The driver's three modes; the verifying ones are this module's.
    pub(super) fn driver(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// Reads the files and builds what connects.
    pub(super) fn client(&self) -> Result<MakeRustlsConnect, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier {
            trusted: match (&self.root, self.mode) {
                (None, _) | (_, Mode::Disable) => None,
                (Some(root), _) => Some(Trusted::load(root)?),
            },
            names: self.mode == Mode::VerifyFull,
            provider: Arc::clone(&provider),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Url(format!("TLS cannot be used: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.identity {
            Some((cert, key)) if self.mode != Mode::Disable => builder
                .with_client_auth_cert(certificates("sslcert", cert)?, private_key(key)?)
                .map_err(|error| {
                    Error::Url(format!(
                        "sslcert {} and sslkey {} do not fit each other ({error}); name a certificate and its own key",
                        cert.display(),
                        key.display(),
                    ))
                })?,
            _ => builder.with_no_client_auth(),
        };
        if self.direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(MakeRustlsConnect::new(config))
    }
}

fn certificates(word: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = std::fs::read(path).map_err(|source| Error::file(word, path, &source))?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| not_pem(word, path, "CERTIFICATE"))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = std::fs::read(path).map_err(|source| Error::file("sslkey", path, &source))?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| not_pem("sslkey", path, "PRIVATE KEY (one without a passphrase)"))
}

fn not_pem(word: &str, path: &Path, section: &str) -> Error {
    Error::Url(format!(
        "{word} {} holds no PEM section {section}; name a file that does",
        path.display()
    ))
}

#[derive(Debug)]
struct Trusted {
    roots: RootCertStore,
    /// The same certificates; a server may show one of them as its own.
    pinned: Vec<CertificateDer<'static>>,
}

impl Trusted {
    fn load(root: &Root) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        match root {
            Root::System => {
                let (added, _) =
                    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if added == 0 {
                    return Err(Error::Url(
                        "this system has no trusted certificates; install ca-certificates or name a file with sslrootcert".to_owned(),
                    ));
                }
                Ok(Self {
                    roots,
                    pinned: Vec::new(),
                })
            }
            Root::File(path) => {
                let pinned = certificates("sslrootcert", path)?;
                roots.add_parsable_certificates(pinned.iter().cloned());
                Ok(Self { roots, pinned })
            }
        }
    }
}

/// Verifies as much as the mode asks for; that the server holds the certificate's key, always.
#[derive(Debug)]
struct Verifier {
    trusted: Option<Trusted>,
    names: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Some(trusted) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if !trusted.pinned.iter().any(|pinned| pinned == end_entity) {
            if trusted.roots.is_empty() {
                return Err(CertificateError::UnknownIssuer.into());
            }
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &trusted.roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        if self.names {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
