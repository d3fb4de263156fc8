//! The section `persistence`.

use std::path::Path;

use super::{
    certificate::{Certificate, certificate},
    section::Section,
};

/// Words of libpq and the files that they name.
type Certificates = Vec<(&'static str, Certificate)>;

/// Its section `persistence`.
#[derive(Clone)]
pub(super) struct Postgres {
    /// Words of libpq and their values, certificates left out.
    words: Vec<(&'static str, String)>,
    pub(super) certificates: Certificates,
    pub(super) pool_size: Option<usize>,
}

/// Connections a pool may have when the file says how many.
const POOL: std::ops::RangeInclusive<i64> = 2..=32;
/// Understood, and without a meaning here.
const MEANINGLESS: [&str; 4] = [
    "maxidleconnection",
    "connmaxlifetime",
    "maxconnectattempts",
    "connectionretrydelay",
];
/// Without a meaning where they come from.
const IGNORED: [&str; 3] = ["name", "description", "databaseUrl"];
const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

impl Postgres {
    /// The inner error says that it is no PostgreSQL database.
    pub(super) fn parse(
        section: &mut Section,
        notes: &mut Vec<String>,
    ) -> Result<Result<Self, String>, String> {
        match section.text("type")?.as_deref() {
            Some("postgres") => {}
            Some("memory") => {
                section.pass_all();
                return Ok(Err("persistence.type is memory".to_owned()));
            }
            None => {
                section.pass_all();
                return Ok(Err("persistence.type is missing".to_owned()));
            }
            Some(_) => return Err("persistence.type must be `postgres`".to_owned()),
        }
        let mut words = Vec::new();
        for (key, word) in [
            ("host", "host"),
            ("databaseName", "dbname"),
            ("user", "user"),
        ] {
            let value = section.text(key)?.filter(|value| !value.is_empty());
            let missing = || format!("persistence.{key} is missing; it must be a text");
            words.push((word, value.ok_or_else(missing)?));
        }
        let port = section.port("port")?;
        let port =
            port.ok_or("persistence.port is missing; it must be a number from 1 to 65535")?;
        words.push(("port", port.to_string()));
        words.extend(
            section
                .text("password")?
                .map(|password| ("password", password)),
        );
        let (mode, certificates) = encryption(section)?;
        words.push(("sslmode", mode));
        let pool_size = match section.number("maxopenconnection")? {
            None | Some(0) => None,
            Some(given) => {
                let size = given.clamp(*POOL.start(), *POOL.end());
                if size != given {
                    notes.push(format!(
                        "persistence.maxopenconnection is {given}, and {size} connections are used for queries; events have connections of their own"
                    ));
                }
                usize::try_from(size).ok()
            }
        };
        section.pass(&IGNORED);
        let meaningless = section.pass(&MEANINGLESS);
        if !meaningless.is_empty() {
            let keys = meaningless.join(", ");
            notes.push(format!("keys without a meaning here: {keys}"));
        }
        Ok(Ok(Self {
            words,
            certificates,
            pool_size,
        }))
    }

    /// libpq's string of words, every value quoted.
    pub(super) fn url(&self, data_dir: &Path) -> String {
        let files = self.certificates.iter();
        let files = files.map(|(word, certificate)| (*word, certificate.path(data_dir)));
        let words = self.words.iter().cloned().chain(files);
        let words = words.map(|(word, value)| {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            format!("{word}='{value}'")
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// `sslmode`, and the files that go with it.
fn encryption(section: &mut Section) -> Result<(String, Certificates), String> {
    // Its releases before 2022 had the names in the second place.
    let enabled = section.truth("tlsEnable")? | section.truth("tlsconfig")?;
    let (now, before) = (section.text("tlsMode")?, section.text("tlsparam")?);
    let given = now.or(before).unwrap_or_default();
    if !enabled {
        section.pass(&["cacert", "clientcert", "clientkey"]);
        return Ok(("disable".to_owned(), Vec::new()));
    }
    let lower = given.to_ascii_lowercase();
    let mode = match &lower[..] {
        "verifyca" | "one-way" => "verify-ca",
        "verifyfull" | "two-way" => "verify-full",
        "" => "require",
        mode if SSL_MODES.contains(&mode) => mode,
        _ => {
            return Err(format!(
                "persistence.tlsMode must be VerifyCA, VerifyFull or one of {}",
                SSL_MODES.join(", ")
            ));
        }
    };
    let mut certificates = Vec::new();
    for (key, word, file) in [
        ("cacert", "sslrootcert", "cacert.pem"),
        ("clientcert", "sslcert", "clientcert.pem"),
        ("clientkey", "sslkey", "clientkey.pem"),
    ] {
        let certificate = certificate(section, key, file)?;
        certificates.extend(certificate.map(|certificate| (word, certificate)));
    }
    let has = |word| certificates.iter().any(|(name, _)| *name == word);
    if mode == "verify-ca" && !has("sslrootcert") {
        return Err(
            "persistence.cacert is missing; tlsMode VerifyCA needs the CA's certificate there"
                .to_owned(),
        );
    }
    if has("sslcert") != has("sslkey") {
        return Err("persistence.clientcert and persistence.clientkey go together".to_owned());
    }
    Ok((mode.to_owned(), certificates))
}
