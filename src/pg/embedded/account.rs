//! Whom the server runs as: PostgreSQL refuses to be root.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

use super::Error;

/// The user the server runs as, other than us.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// None when the server runs as we do. `cluster` keeps the owner it has.
    pub(super) fn choose(cluster: &Path) -> Result<Option<Self>, Error> {
        let us = geteuid();
        let owner = fs::metadata(cluster).ok();
        let foreign = |owner: &fs::Metadata| Error::Owner {
            directory: cluster.to_owned(),
            owner: owner.uid(),
        };
        if !us.is_root() {
            return match owner {
                Some(owner) if owner.uid() != us.as_raw() => Err(foreign(&owner)),
                _ => Ok(None),
            };
        }
        match owner {
            Some(owner) if owner.uid() == 0 => Err(foreign(&owner)),
            Some(owner) => Ok(Some(Self {
                name: format!("id {}", owner.uid()),
                uid: owner.uid(),
                gid: owner.gid(),
            })),
            None => ["postgres", "nobody"]
                .iter()
                .find_map(|name| Self::named(name))
                .map(Some)
                .ok_or(Error::Account),
        }
    }

    fn named(name: &str) -> Option<Self> {
        let accounts = fs::read_to_string("/etc/passwd").ok()?;
        let mut fields = accounts
            .lines()
            .map(|line| line.split(':'))
            .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?
            .skip(1);
        Some(Self {
            name: name.to_owned(),
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    }

    /// Makes `command` run as this user.
    pub(super) fn apply(&self, command: &mut Command) {
        use std::os::unix::process::CommandExt as _;
        command.uid(self.uid).gid(self.gid);
    }

    /// The outermost directory on the way to `path` that this user cannot enter; what does not exist
    /// yet is not looked at.
    pub(super) fn shut_out_of(&self, path: &Path) -> Option<PathBuf> {
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        way.into_iter()
            .find(|directory| fs::metadata(directory).is_ok_and(|found| !self.may_enter(&found)))
            .map(Path::to_owned)
    }

    fn may_enter(&self, directory: &fs::Metadata) -> bool {
        let mode = directory.mode();
        if directory.uid() == self.uid {
            mode & 0o100 != 0
        } else if directory.gid() == self.gid {
            mode & 0o010 != 0
        } else {
            mode & 0o001 != 0
        }
    }
}
