//! The apps as they were at one moment, found by (user, app) without allocating.

use std::collections::HashMap;

use foldhash::quality::RandomState;

/// One row of `appstate`: an app that was seen or decided on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct App {
    /// Whose app it is.
    pub user: String,
    /// Its name.
    pub app: String,
    /// The version seen last; none for an app that was only decided on.
    pub version: Option<String>,
    /// The stored decision; none leaves it to the default policy.
    pub decision: Option<bool>,
}

/// A value for each (user, app); nested, so that a lookup borrows both names.
#[derive(Debug)]
pub(super) struct ByApp<V> {
    users: HashMap<Box<str>, HashMap<Box<str>, V, RandomState>, RandomState>,
}

/// What is known of an app.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) version: Option<Box<str>>,
    pub(super) decision: Option<bool>,
}

/// Every app at one moment.
pub(super) type Snapshot = ByApp<Row>;

impl<V> Default for ByApp<V> {
    fn default() -> Self {
        Self {
            users: HashMap::default(),
        }
    }
}

impl<V: PartialEq> PartialEq for ByApp<V> {
    fn eq(&self, other: &Self) -> bool {
        self.users == other.users
    }
}

impl<V> ByApp<V> {
    pub(super) fn get(&self, user: &str, app: &str) -> Option<&V> {
        self.users.get(user)?.get(app)
    }

    pub(super) fn insert(&mut self, user: &str, app: &str, value: V) {
        if let Some(known) = self.users.get_mut(user).and_then(|apps| apps.get_mut(app)) {
            *known = value;
            return;
        }
        let apps = self.users.entry(user.into()).or_default();
        apps.insert(app.into(), value);
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&V) -> bool) {
        self.users.retain(|_, apps| {
            apps.retain(|_, value| keep(value));
            !apps.is_empty()
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, &V)> {
        self.users
            .iter()
            .flat_map(|(user, apps)| apps.iter().map(move |(app, row)| (&**user, &**app, row)))
    }

    pub(super) fn len(&self) -> usize {
        self.users.values().map(HashMap::len).sum()
    }
}

impl FromIterator<App> for Snapshot {
    fn from_iter<T: IntoIterator<Item = App>>(apps: T) -> Self {
        let mut snapshot = Self::default();
        for app in apps {
            let row = Row {
                version: app.version.map(Into::into),
                decision: app.decision,
            };
            snapshot.insert(&app.user, &app.app, row);
        }
        snapshot
    }
}

impl Snapshot {
    /// Whether some decision is not `default`.
    pub(super) fn divides(&self, default: bool) -> bool {
        self.iter()
            .any(|(_, _, row)| row.decision.is_some_and(|decision| decision != default))
    }

    /// The apps by user and name.
    pub(super) fn apps(&self) -> Vec<App> {
        let mut apps: Vec<App> = self
            .iter()
            .map(|(user, app, row)| row.app(user, app))
            .collect();
        apps.sort_unstable();
        apps
    }

    /// What is new or different since `earlier`, by user and name. A row that is gone counts as an
    /// app without version and decision.
    pub(super) fn since(&self, earlier: &Self) -> Vec<App> {
        let changed = self
            .iter()
            .filter(|(user, app, row)| earlier.get(user, app) != Some(row))
            .map(|(user, app, row)| row.app(user, app));
        let gone = earlier
            .iter()
            .filter(|(user, app, _)| self.get(user, app).is_none())
            .map(|(user, app, _)| Row::UNDECIDED.app(user, app));
        let mut apps: Vec<App> = changed.chain(gone).collect();
        apps.sort_unstable();
        apps
    }
}

impl Row {
    const UNDECIDED: Self = Self {
        version: None,
        decision: None,
    };

    fn app(&self, user: &str, app: &str) -> App {
        App {
            user: user.into(),
            app: app.into(),
            version: self.version.as_deref().map(Into::into),
            decision: self.decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(user: &str, app: &str, version: Option<&str>, decision: Option<bool>) -> App {
        App {
            user: user.into(),
            app: app.into(),
            version: version.map(Into::into),
            decision,
        }
    }

    #[test]
    fn a_difference_holds_the_new_the_changed_and_the_gone() {
        let same = app("acme", "same", Some("1"), Some(true));
        let earlier: Snapshot = [
            same.clone(),
            app("acme", "turned", None, Some(true)),
            app("acme", "gone", Some("1"), Some(false)),
        ]
        .into_iter()
        .collect();
        let later: Snapshot = [
            same,
            app("acme", "turned", None, Some(false)),
            app("zeta", "new", Some("2"), None),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            later.since(&earlier),
            [
                app("acme", "gone", None, None),
                app("acme", "turned", None, Some(false)),
                app("zeta", "new", Some("2"), None),
            ]
        );
        assert!(later.since(&later).is_empty());
    }

    #[test]
    fn the_same_rows_in_another_order_are_the_same_snapshot() {
        let rows = [
            app("a", "x", None, Some(true)),
            app("a", "y", Some("1"), None),
            app("b", "x", None, None),
        ];
        let forward: Snapshot = rows.iter().cloned().collect();
        let backward: Snapshot = rows.iter().rev().cloned().collect();
        assert!(forward == backward);
        assert_eq!(backward.apps(), rows);
        assert_eq!(forward.len(), 3);
    }
}
