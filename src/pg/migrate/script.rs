//! The whole schema as one script for `psql`.

use super::{VERSION, index, steps};

/// Everything [`super::migrate`] does, for an administrator who runs it with `psql` 11 or newer: on
/// an empty database or on any older one, as often as wanted. It records what the runner would
/// record, so that a program finds the schema current afterwards.
#[must_use]
pub fn script() -> String {
    let mut script = format!(
        "-- the schema of flowtrail, version {VERSION}; run it with\n\
         --   psql -X -d DATABASE -v role=ROLE -f FILE\n\
         -- where ROLE is the role of the service, when that is another one than yours\n\
         \\set ON_ERROR_STOP on\n\
         \\set QUIET on\n\n"
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
        script.push_str(
            &include_str!("../../../sql/migrations/run/script_step.psql")
                .replace("{version}", &migration.version().to_string())
                .replace("{name}", migration.name())
                .replace("{checksum}", &migration.checksum().to_string())
                .replace("{sql}", migration.sql().unwrap_or_default().trim_end()),
        );
    }
    script.push_str(include_str!("../../../sql/migrations/run/patient.sql"));
    script.push('\n');
    for (name, create) in index::ALL {
        script.push_str(
            &include_str!("../../../sql/migrations/run/script_index.psql")
                .replace("{name}", name)
                .replace("{drop}", &index::drop_sql(name))
                .replace("{create}", create),
        );
    }
    let grants = include_str!("../../../sql/migrations/run/script_grants.psql");
    let unlock = include_str!("../../../sql/migrations/run/unlock.sql");
    script + "\\if :{?role}\n" + grants + "\\endif\n\n\\o /dev/null\n" + unlock + "\\o\n"
}
