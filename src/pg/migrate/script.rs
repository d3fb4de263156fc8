//! The whole schema as one script for `psql`.

use std::fmt::Write as _;

use super::{VERSION, index, steps};

/// Everything [`super::migrate`] does, for an administrator who runs it with `psql`: on an empty
/// database or on any older one, as often as wanted. It records what the runner would record, so
/// that a program finds the schema current afterwards.
#[must_use]
pub fn script() -> String {
    let mut script = format!(
        "-- the schema of flowtrail, version {VERSION}; run it with\n\
         --   psql -X -d DATABASE -v role=ROLE -f FILE\n\
         -- where ROLE is the role of the service, when that is another one than yours\n\
         \\set ON_ERROR_STOP on\n\\set QUIET on\n\n"
    );
    for part in [
        include_str!("../../../sql/migrations/run/session.sql"),
        include_str!("../../../sql/migrations/run/script_head.sql"),
        include_str!("../../../sql/migrations/run/history.sql"),
    ] {
        script.push_str(part);
        script.push('\n');
    }
    for migration in steps::all() {
        let (version, name, checksum) = (
            migration.version(),
            migration.name().to_owned(),
            migration.checksum(),
        );
        let sql = migration.sql().unwrap_or_default();
        // writing to a string cannot fail
        let _ = writeln!(
            script,
            "select not exists (select from flowtrail.migrations where version = {version}) as wanted \\gset\n\
             \\if :wanted\n\
             begin;\n\
             {sql}\n\
             insert into flowtrail.migrations (version, name, applied_on, checksum) values (\n  \
               {version}, '{name}', to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '{checksum}');\n\
             commit;\n\
             \\endif\n"
        );
    }
    script.push_str("set lock_timeout = 0;\n");
    for (name, create) in index::ALL {
        let leftover = index::drop_sql(name);
        let _ = writeln!(
            script,
            "select exists (select from pg_index where indexrelid = to_regclass('public.{name}') and not indisvalid) as invalid \\gset\n\
             \\if :invalid\n\
             {leftover}\
             \\endif\n\
             select to_regclass('public.{name}') is null as wanted \\gset\n\
             \\if :wanted\n\
             {create}\
             \\endif\n"
        );
    }
    let grants = include_str!("../../../sql/migrations/run/script_grants.sql");
    let unlock = include_str!("../../../sql/migrations/run/unlock.sql");
    let _ = write!(
        script,
        "\\if :{{?role}}\n{grants}\\endif\n\n\\o /dev/null\n{unlock}\\o\n"
    );
    script
}
