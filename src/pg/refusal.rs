//! Why one server would not have us, and the remedy, in words of ours.

use std::{borrow::Cow, error::Error as _, io, time::Duration};

use rustls::{CertificateError, Error as TlsError};
use tokio_postgres::error::{DbError, SqlState};

use super::{Retry, Target, errors, verdict_of};

/// What one server did when we tried to connect.
#[derive(Debug)]
pub struct Refusal {
    /// `host:port`.
    pub target: String,
    /// What happened, one line.
    pub reason: String,
    /// What to do, one line.
    pub remedy: Cow<'static, str>,
    /// Whether trying again makes sense.
    pub retry: Retry,
    /// As in libpq: another host does not make a wrong password or database right.
    pub(super) ends_the_search: bool,
}

impl Refusal {
    fn new(target: &Target, reason: impl Into<String>, retry: Retry, remedy: &'static str) -> Self {
        Self {
            target: target.to_string(),
            reason: errors::one_line(&reason.into()),
            remedy: remedy.into(),
            retry,
            ends_the_search: false,
        }
    }

    fn fix(target: &Target, reason: impl Into<String>, remedy: &'static str) -> Self {
        Self::new(target, reason, Retry::AfterFix(remedy), remedy)
    }

    fn away(target: &Target, reason: impl Into<String>, remedy: &'static str) -> Self {
        Self::new(target, reason, Retry::Backoff, remedy)
    }

    /// No answer within `patience`.
    pub(super) fn silence(target: &Target, patience: Duration) -> Self {
        let reason = format!("no answer within {:.1} s", patience.as_secs_f64());
        let remedy = "check host, port, firewalls and that PostgreSQL is not stopped; --connect-timeout sets how long to wait";
        Self::away(target, reason, remedy)
    }

    /// Connected, but `target_session_attrs` asks for another kind of server.
    pub(super) fn unwanted(target: &Target, kind: &str) -> Self {
        let remedy =
            "name a server of the wanted kind in the database URL, or change target_session_attrs";
        Self::away(target, format!("the server {kind}"), remedy)
    }

    /// A primary, but another one was promoted after it.
    pub(super) fn passed_over(target: &Target) -> Self {
        let remedy = "stop the old primary, or make it a standby of the new one; if it is to be the primary again, promote it or restart flowtrail";
        let reason = "the server takes writes, but another one was promoted after it";
        Self::away(target, reason, remedy)
    }

    /// The driver's error, read.
    pub(super) fn read(target: &Target, error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            return Self::of_server(target, db);
        }
        let Some(cause) = error.source() else {
            return Self::closed(target);
        };
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Self::of_line(target, io);
        }
        let reason = errors::causes(error);
        match cause.to_string().as_str() {
            "password missing" => Self::fix(
                target,
                "it asks for a password and none is given",
                "put one into the database URL, --database-url-file or a passfile",
            ),
            "server does not support TLS" => Self::fix(
                target,
                "the server does not speak TLS",
                "set ssl = on in postgresql.conf, or sslmode=prefer in the database URL",
            ),
            text if text.contains("channel binding") => Self::fix(
                target,
                reason,
                "set channel_binding=prefer, or use TLS and scram-sha-256 passwords",
            ),
            _ => Self::fix(
                target,
                reason,
                "use scram-sha-256, md5, a certificate, peer or trust in pg_hba.conf",
            ),
        }
    }

    fn of_server(target: &Target, db: &DbError) -> Self {
        let code = db.code();
        let reason = format!("{} ({})", db.message(), code.code());
        match verdict_of(Some(code.code())) {
            Retry::AfterFix(remedy) => Self {
                ends_the_search: code.code().starts_with("28") || code.code().starts_with("3D"),
                ..Self::fix(target, reason, remedy)
            },
            _ if *code == SqlState::TOO_MANY_CONNECTIONS => Self::away(
                target,
                reason,
                "raise max_connections in postgresql.conf, or lower --lanes and --pool-size",
            ),
            Retry::Backoff => Self::away(target, reason, "try again in a moment"),
            Retry::Never => Self::fix(
                target,
                reason,
                "correct `options` in the database URL, or the settings of the role",
            ),
        }
    }

    /// The line to it could not be had.
    pub(super) fn of_line(target: &Target, error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::of_tls(target, tls);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::away(
                target,
                "nothing listens there (connection refused)",
                "start PostgreSQL, or correct host and port",
            ),
            io::ErrorKind::NotFound if target.is_socket() => Self::away(
                target,
                "there is no socket of that number in this directory",
                "start PostgreSQL, or correct host and port",
            ),
            io::ErrorKind::PermissionDenied if target.is_socket() => Self::fix(
                target,
                "this process may not use the socket",
                "run as a user who may, or connect over TCP",
            ),
            io::ErrorKind::TimedOut => Self::away(
                target,
                "the address does not answer",
                "check host, port and firewalls",
            ),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::closed(target),
            _ if error.to_string().contains("lookup address") => Self::away(
                target,
                "the name of the host cannot be resolved",
                "correct `host` in the database URL, or the name service",
            ),
            io::ErrorKind::InvalidInput => Self::fix(
                target,
                format!("the host is not a name TLS can use ({error})"),
                "correct `host` in the database URL",
            ),
            _ => Self::away(
                target,
                error.to_string(),
                "check host, port and the network",
            ),
        }
    }

    fn of_tls(target: &Target, error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::fix(
                target,
                format!("its certificate is not for the name `{}`", target.host),
                "use a name that stands in the certificate as host, or sslmode=verify-ca",
            ),
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => Self::fix(
                target,
                "its certificate is not signed by anybody we trust",
                "let sslrootcert name the certificate of its authority",
            ),
            TlsError::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => Self::fix(
                target,
                "its certificate has expired",
                "renew the server's certificate",
            ),
            TlsError::AlertReceived(alert) => Self::fix(
                target,
                format!("the server broke off TLS: {alert:?}"),
                "let sslcert and sslkey name a certificate that the server's ssl_ca_file signs",
            ),
            other => Self::fix(
                target,
                format!("TLS failed: {other}"),
                "correct the server's certificate or the ssl words of the database URL",
            ),
        }
    }

    fn closed(target: &Target) -> Self {
        Self::away(
            target,
            "the connection was closed before it could be used",
            "read PostgreSQL's own log; or it is no PostgreSQL that listens there",
        )
    }
}
