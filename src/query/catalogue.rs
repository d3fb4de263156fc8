//! What there are instances of.

use tokio_postgres::{Row, types::Type};

use super::{Error, History, filter::check, sql};

/// Names of flows that a catalogue holds at most.
const MOST: i64 = 10_000;

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
    /// Apps with their versions and flows, each by name, up to 10,000 flows in all. What has no
    /// user, app, version or flow is not in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catalogue(
        &self,
        user: Option<&str>,
        app: Option<&str>,
    ) -> Result<Vec<CatalogueApp>, Error> {
        user.map_or(Ok(()), |user| check("user", user))?;
        app.map_or(Ok(()), |app| check("app", app))?;
        let rows = self
            .rows(
                sql!("catalogue"),
                &[(&user, Type::TEXT), (&app, Type::TEXT), (&MOST, Type::INT8)],
            )
            .await?;
        let mut apps: Vec<CatalogueApp> = Vec::new();
        for row in &rows {
            let (user, app): (String, String) = (row.try_get("userid")?, row.try_get("appname")?);
            let version: String = row.try_get("appversion")?;
            if apps
                .last()
                .is_none_or(|last| last.user != user || last.app != app)
            {
                apps.push(CatalogueApp {
                    user,
                    app,
                    versions: Vec::new(),
                });
            }
            let Some(CatalogueApp { versions, .. }) = apps.last_mut() else {
                continue;
            };
            if versions.last().is_none_or(|last| last.version != version) {
                versions.push(CatalogueVersion {
                    version,
                    flows: Vec::new(),
                });
            }
            if let Some(last) = versions.last_mut() {
                last.flows.push(row.try_get("flowname")?);
            }
        }
        Ok(apps)
    }

    /// Names of the flows of an app's version, on one host or on any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flows(
        &self,
        user: &str,
        app: &str,
        version: &str,
        host: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        for (field, text) in [("user", user), ("app", app), ("version", version)] {
            check(field, text)?;
        }
        host.map_or(Ok(()), |host| check("host", host))?;
        let rows = self
            .rows(
                sql!("flows"),
                &[
                    (&user, Type::TEXT),
                    (&app, Type::TEXT),
                    (&version, Type::TEXT),
                    (&host, Type::TEXT),
                ],
            )
            .await?;
        names(&rows)
    }

    /// Versions of an app.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn versions(&self, user: &str, app: &str) -> Result<Vec<String>, Error> {
        check("user", user)?;
        check("app", app)?;
        let values = [
            (&user as super::row::Parameter<'_>, Type::TEXT),
            (&app, Type::TEXT),
        ];
        names(&self.rows(sql!("versions"), &values).await?)
    }
}

fn names(rows: &[Row]) -> Result<Vec<String>, Error> {
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}
