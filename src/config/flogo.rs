//! The `config.json` of the engines' own state service, in the words of our options (contract,
//! section 1.10).
//!
//! Reading it touches nothing but the file. What it says are defaults: a flag or a variable that is
//! given wins. Certificates that stand inside it are written by [`FlogoConfig::write_certificates`].

mod certificate;
mod postgres;
mod section;

use std::{fmt, fs, io, path::Path};

use serde_json::Value;

use certificate::{Certificate, certificate};
use postgres::Postgres;
use section::Section;

/// What a `config.json` says, checked.
#[derive(Clone)]
pub struct FlogoConfig {
    port: Option<u16>,
    expose_recorder: bool,
    streaming_step: bool,
    tls: Option<(Certificate, Certificate)>,
    database: Result<Postgres, String>,
    notes: Vec<String>,
}

impl FlogoConfig {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// One sentence that names the key and what it must be.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{error}; name a readable file"))?;
        // serde's words would show a piece of the text, which may be a password.
        let value = serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("it is no JSON; correct line {line}, column {column}, or what stands before it")
        })?;
        let Value::Object(keys) = value else {
            return Err("it is not a JSON object; write {\"port\": ..., ...}".to_owned());
        };
        Self::parse(Section::new("", keys))
    }

    fn parse(mut top: Section) -> Result<Self, String> {
        let port = top.port("port")?;
        let expose_recorder = top.truth("exposeRecorder")?;
        let streaming_step = top.truth("streamingStep")?;
        let tls = if top.truth("enableTLS")? {
            let mut pem = |key, file| {
                certificate(&mut top, key, file)?
                    .ok_or_else(|| format!("{key} is missing; enableTLS needs a PEM file there"))
            };
            Some((
                pem("certFile", "server.pem")?,
                pem("keyFile", "server-key.pem")?,
            ))
        } else {
            top.pass(&["certFile", "keyFile"]);
            None
        };
        let mut notes = Vec::new();
        let persistence = top.section("persistence")?;
        let mut unknown = top.rest();
        let database = match persistence {
            None => Err("persistence is missing".to_owned()),
            Some(mut section) => {
                let database = Postgres::parse(&mut section, &mut notes)?;
                unknown.extend(section.rest());
                database
            }
        };
        if !unknown.is_empty() {
            let keys = unknown.join(", ");
            notes.push(format!("keys that are not known are left out: {keys}"));
        }
        Ok(Self {
            port,
            expose_recorder,
            streaming_step,
            tls,
            database,
            notes,
        })
    }

    /// Options by their field in [`super::Config`], and what the file says of them. Certificates
    /// that stand inside it are named as they will be under `data_dir`.
    #[must_use]
    pub fn options(&self, data_dir: &Path) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("expose_recorder", self.expose_recorder.to_string()),
            ("streaming_step", self.streaming_step.to_string()),
        ];
        options.extend(self.port.map(|port| ("listen", format!("0.0.0.0:{port}"))));
        if let Some((certificate, key)) = &self.tls {
            options.push(("tls_cert", certificate.path(data_dir)));
            options.push(("tls_key", key.path(data_dir)));
        }
        if let Ok(database) = &self.database {
            options.push(("database_url", database.url(data_dir)));
            let pool_size = database.pool_size.map(|size| size.to_string());
            options.extend(pool_size.map(|size| ("pool_size", size)));
        }
        options
    }

    /// Why the file names no database that can be used: a clause without an end.
    #[must_use]
    pub fn no_database(&self) -> Option<&str> {
        self.database.as_ref().err().map(String::as_str)
    }

    /// What to tell about it, each a sentence without an end.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes certificates that stand inside the file to files that only this user can read.
    ///
    /// # Errors
    /// When one cannot be written; the text names it.
    pub fn write_certificates(&self, data_dir: &Path) -> io::Result<()> {
        let server = self.tls.iter().flat_map(|(a, b)| [a, b]);
        let client = self.database.iter().flat_map(|d| &d.certificates);
        for certificate in server.chain(client.map(|(_, certificate)| certificate)) {
            certificate.write(data_dir)?;
        }
        Ok(())
    }
}

/// Shows no password and no key.
impl fmt::Debug for FlogoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlogoConfig")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
