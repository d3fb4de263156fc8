//! The tester service of an engine (`tester` of project-flogo/flow): `POST /flow/start` and
//! `POST /flow/restart`.

use std::{io, time::Duration};

use reqwest::{Client, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Values;
use crate::cli::{Usage, client::root};

/// How long to wait for a connection, the TLS handshake included.
const CONNECT: Duration = Duration::from_secs(5);
/// Characters of an engine's refusal that are shown.
const SHOWN: usize = 500;

/// Where to run.
pub(super) struct Engine {
    client: Client,
    url: Url,
    timeout: Duration,
}

/// What an engine says of what it ran.
#[derive(Default, Deserialize)]
pub(super) struct Answer {
    /// The new instance; not told when the flow has an output of its own.
    #[serde(rename = "id")]
    pub(super) instance_id: Option<String>,
}

#[derive(Serialize)]
struct Start<'a> {
    #[serde(rename = "flowUri")]
    flow_uri: &'a str,
    data: &'a Values,
}

#[derive(Serialize)]
struct Restart<'a> {
    #[serde(rename = "initialState")]
    initial_state: &'a RawValue,
    data: &'a Values,
}

impl Engine {
    /// An engine that is given `timeout` for an answer.
    ///
    /// # Errors
    /// [`Usage`] when the URL is none.
    pub(super) fn new(url: &str, timeout: Duration) -> anyhow::Result<Self> {
        let wrong = || {
            Usage::error(format!(
                "--engine {url} is not a URL; write it like http://host:8080"
            ))
        };
        let mut url = Url::parse(url).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong());
        }
        // What is joined to it replaces what stands behind the last slash.
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let mut client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        client = client.tls_backend_preconfigured(tls()?);
        Ok(Self {
            client: client.build()?,
            url,
            timeout,
        })
    }

    pub(super) fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Runs a flow from its beginning.
    ///
    /// # Errors
    /// One line: the engine cannot be reached, does not answer in time, or refuses.
    pub(super) async fn start(&self, flow_uri: &str, data: &Values) -> anyhow::Result<Answer> {
        self.post("flow/start", &Start { flow_uri, data }).await
    }

    /// Runs on from a state.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub(super) async fn restart(
        &self,
        initial_state: &RawValue,
        data: &Values,
    ) -> anyhow::Result<Answer> {
        let body = Restart {
            initial_state,
            data,
        };
        self.post("flow/restart", &body).await
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Answer> {
        let url = self.url.join(path)?;
        let sent = self.client.post(url).json(body).send().await;
        let response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.failed(&error))?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        let said: String = text.trim().chars().take(SHOWN).collect();
        let remedy = match status {
            StatusCode::NOT_FOUND => {
                "name the port of the engine's tester service (github.com/project-flogo/flow/tester)"
            }
            StatusCode::BAD_REQUEST => {
                "the engine does not have this flow, or cannot begin it like this; see its log"
            }
            _ => "see the engine's log",
        };
        anyhow::bail!("the engine answered {status}: {said}; {remedy}")
    }

    fn failed(&self, error: &reqwest::Error) -> anyhow::Error {
        let url = self.url();
        let root = root(error);
        let refused = root
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused {
            anyhow::anyhow!(
                "cannot reach {url}: nobody listens there; start the engine with its tester service"
            )
        } else if error.is_connect() {
            anyhow::anyhow!("cannot reach {url}: {root}; correct --engine")
        } else if error.is_timeout() {
            let timeout = self.timeout;
            anyhow::anyhow!(
                "{url} did not answer within {timeout:?}; the flow may be running, see `flowtrail instances list --since 5m` before you try again, or raise --timeout"
            )
        } else {
            anyhow::anyhow!(
                "the connection to {url} broke ({root}); the flow may be running, see `flowtrail instances list --since 5m` before you try again"
            )
        }
    }
}

/// The system's certificates, and the crypto that everything else here uses.
fn tls() -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = aws_lc_rs::default_provider();
    Ok(ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
