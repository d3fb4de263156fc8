//! The one table of SQLSTATEs: what to do after the database refused.
//!
//! Codes are those of PostgreSQL's appendix A. A row of the table is a code or the beginning of
//! one; the first row that fits decides, so exact codes stand before their class. Whatever is not
//! listed is taken for the fault of what was sent.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use super::Error;

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same again, later: nothing is wrong with what was sent.
    Backoff,
    /// The same again once an operator has done what the sentence says.
    AfterFix(&'static str),
    /// Never the same again: what was sent is at fault. The write path halves the batch.
    Never,
}

use Retry::{AfterFix, Backoff};

const TABLE: &[(&str, Retry)] = &[
    ("08", Backoff),
    // a server that only reads, a transaction that was ended as nobody spoke in it
    ("25", Backoff),
    ("26", Backoff),
    (
        "28P01",
        AfterFix("put the right password into the database URL or its passfile"),
    ),
    (
        "28",
        AfterFix(
            "let pg_hba.conf admit this user from here to this database, with TLS or a client certificate where it asks for them (sslmode, sslcert, sslkey)",
        ),
    ),
    (
        "3D",
        AfterFix("create the database, or name another one in the database URL"),
    ),
    (
        "3F",
        AfterFix("run `flowtrail migrate`, which makes the missing schema"),
    ),
    ("40", Backoff),
    (
        "42501",
        AfterFix(
            "grant the role what it lacks: `flowtrail check` names it, `flowtrail migrate --print` shows the statements an owner can run",
        ),
    ),
    (
        "42P01",
        AfterFix("run `flowtrail migrate`, which makes the missing table"),
    ),
    (
        "42703",
        AfterFix("run `flowtrail migrate`, which adds the missing column"),
    ),
    (
        "42",
        AfterFix("run `flowtrail migrate`; the tables are not as this version expects them"),
    ),
    ("53", Backoff),
    ("55", Backoff),
    ("57", Backoff),
    ("58", Backoff),
    (
        "XX",
        AfterFix("read PostgreSQL's own log: it reports a defect or damaged data of its own"),
    ),
];

/// What to do after `sqlstate`; `None` stands for a connection that broke without one.
#[must_use]
pub fn verdict_of(sqlstate: Option<&str>) -> Retry {
    sqlstate.map_or(Backoff, |code| {
        TABLE
            .iter()
            .find(|(prefix, _)| code.starts_with(prefix))
            .map_or(Retry::Never, |(_, retry)| *retry)
    })
}

/// What to do after `error`: the SQLSTATE decides; without one a broken connection, or one whose
/// answers are not to its questions, is tried again, and what the driver could not encode or decode
/// is not.
#[must_use]
pub fn verdict(error: &tokio_postgres::Error) -> Retry {
    if let Some(code) = error.code() {
        return verdict_of(Some(code.code()));
    }
    if let Some(ours) = Error::carried_by(error) {
        return ours.retry();
    }
    let broken = error.source().is_none_or(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        // The driver's name for a value that does not fit the protocol.
        cause.is_some_and(|cause| cause.kind() != std::io::ErrorKind::InvalidInput)
    });
    if broken {
        verdict_of(None)
    } else {
        Retry::Never
    }
}

/// Whether `error` means that this connection, and those opened with it, lead to the wrong server
/// or to none: it went away, shuts down, or became read-only in a failover.
#[must_use]
pub fn is_stale(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .map_or_else(|| verdict(error) == Backoff, ends_session)
}

/// Whether a server that says this leads nowhere from now on.
#[must_use]
pub fn ends_session(code: &SqlState) -> bool {
    *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || code.code().starts_with("57P")
        || code.code().starts_with("08")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_verdict() {
        let check = |codes: &str, expected: fn(Retry) -> bool| {
            for code in codes.split(' ') {
                assert!(expected(verdict_of(Some(code))), "{code}");
            }
        };
        check(
            "08000 08006 25001 25006 25P02 25P03 25P04 26000 40001 40P01 53100 53200 53300",
            |retry| retry == Backoff,
        );
        check(
            "55000 55006 55P03 57000 57014 57P01 57P02 57P03 57P05 58030",
            |retry| retry == Backoff,
        );
        check(
            "28000 28P01 3D000 3F000 42501 42P01 42703 42883 XX000 XX001",
            |retry| matches!(retry, AfterFix(_)),
        );
        check("22001 22021 23502 23505 23514 54000 P0001 0A000", |retry| {
            retry == Retry::Never
        });
        assert_eq!(verdict_of(None), Backoff, "a broken connection");
    }

    #[test]
    fn an_exact_code_has_a_remedy_of_its_own() {
        let check = |code, word: &str| match verdict_of(Some(code)) {
            AfterFix(remedy) => assert!(remedy.contains(word), "{code}: {remedy}"),
            other => panic!("{code}: {other:?}"),
        };
        check("28P01", "password");
        check("28000", "pg_hba.conf");
        check("42501", "grant");
        check("42P01", "flowtrail migrate");
        check("3D000", "database");
    }

    #[test]
    fn no_row_hides_behind_a_shorter_one() {
        for (at, (code, _)) in TABLE.iter().enumerate() {
            let hidden = TABLE[..at]
                .iter()
                .find(|(prefix, _)| code.starts_with(prefix));
            assert_eq!(hidden, None, "{code} is never reached");
        }
    }
}
