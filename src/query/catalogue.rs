//! What there are instances of.

use super::{Error, History};

/// An app and its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueApp {
    /// `userid`.
    pub user: String,
    /// `appname`.
    pub app: String,
    /// By name.
    pub versions: Vec<CatalogueVersion>,
}

/// A version and its flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueVersion {
    /// `appversion`.
    pub version: String,
    /// By name.
    pub flows: Vec<String>,
}

impl History {
    /// Apps with their versions and flows, each by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalogue(
        &self,
        _user: Option<&str>,
        _app: Option<&str>,
    ) -> Result<Vec<CatalogueApp>, Error> {
        todo!("distinct by index")
    }

    /// Names of the flows of an app's version, on one host or on any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flows(
        &self,
        _user: &str,
        _app: &str,
        _version: &str,
        _host: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        todo!("distinct by index")
    }

    /// Versions of an app.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn versions(&self, _user: &str, _app: &str) -> Result<Vec<String>, Error> {
        todo!("distinct by index")
    }
}
