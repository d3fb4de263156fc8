//! Passwords kept in a file, as in "34.16. The Password File" of PostgreSQL's manual: lines
//! `host:port:database:user:password`, where `*` fits everything and a backslash escapes.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::Error;

/// Whom a password is wanted for.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// The text of `named`, which must be there, or of `~/.pgpass`, which need not.
pub(super) fn read(named: Option<&Path>) -> Result<Option<String>, Error> {
    let Some(path) = named
        .map(Path::to_path_buf)
        .or_else(|| std::env::home_dir().map(|home| home.join(".pgpass")))
    else {
        return Ok(None);
    };
    match load(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if named.is_some() => Err(error),
        Err(error) => {
            if path.exists() {
                tracing::warn!(%error, "passfile left aside");
            }
            Ok(None)
        }
    }
}

fn load(path: &PathBuf) -> Result<String, Error> {
    let file = |source: &io::Error| Error::file("passfile", path, source);
    let mode = fs::metadata(path).map_err(|e| file(&e))?.mode();
    if mode & 0o077 != 0 {
        return Err(Error::Url(format!(
            "the passfile {} can be read by others; run chmod 600 on it",
            path.display()
        )));
    }
    fs::read_to_string(path).map_err(|e| file(&e))
}

/// The password of the first line that fits.
pub(super) fn find(text: &str, wanted: &Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    // A socket in the standard directory is `localhost` in this file.
    let host = match wanted.host {
        "/var/run/postgresql" | "/tmp" => "localhost",
        host => host,
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let fields = fields(line)?;
            let (password, keys) = fields.split_last()?;
            let fits = keys
                .iter()
                .zip([
                    &[host, wanted.host][..],
                    &[port.as_str()],
                    &[wanted.dbname],
                    &[wanted.user],
                ])
                .all(|(key, values)| key == "*" || values.contains(&key.as_str()));
            fits.then(|| password.clone())
        })
}

fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields: [String; 5] = Default::default();
    let mut at = 0;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => fields[at].extend(letters.next()),
            ':' if at < 4 => at += 1,
            letter => fields[at].push(letter),
        }
    }
    (at == 4).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_decides() {
        let text = "# a comment\nbroken:line\ndb1:5432:hist:ann:one\ndb1:*:*:ann:two\n\
                    localhost:5432:*:*:socket\n\\:\\:1:5432:*:*:six\n*:*:*:bob:a:b\\\\c\n";
        let check = |host, port, dbname, user, expected: Option<&str>| {
            let wanted = Wanted {
                host,
                port,
                dbname,
                user,
            };
            assert_eq!(
                find(text, &wanted).as_deref(),
                expected,
                "{host}:{port}/{dbname} as {user}"
            );
        };
        check("db1", 5432, "hist", "ann", Some("one"));
        check("db1", 5433, "hist", "ann", Some("two"));
        check("db1", 5432, "other", "ann", Some("two"));
        check("/var/run/postgresql", 5432, "hist", "eve", Some("socket"));
        check("::1", 5432, "hist", "eve", Some("six"));
        check("db2", 5432, "hist", "bob", Some("a:b\\c"));
        check("db2", 5432, "hist", "ann", None);
    }
}
