//! Which instances.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::{
    Error,
    row::{Time, Value},
};
use crate::event::Micros;

/// Words that engines report as the status of an instance.
pub const STATUSES: [&str; 5] = ["Created", "Started", COMPLETED, "Failed", "Cancelled"];
/// The status of most instances, which the index of statuses leaves out.
pub(super) const COMPLETED: &str = "Completed";
/// Bytes of a text that is compared with a column in an index, at most: PostgreSQL's indexes hold
/// no longer ones.
const LONGEST: usize = 2_704;

/// Only instances for which all of these hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `userid`.
    pub user: Option<String>,
    /// `appname`.
    pub app: Option<String>,
    /// `appversion`.
    pub version: Option<String>,
    /// `flowname`.
    pub flow: Option<String>,
    /// `hostid`.
    pub host: Option<String>,
    /// `status`: any of these; any at all when empty.
    pub statuses: Vec<String>,
    /// Started at or after.
    pub from: Option<Micros>,
    /// Started before.
    pub before: Option<Micros>,
    /// Started at most so long ago: an interval as PostgreSQL reads it, `2 hours`.
    pub interval: Option<String>,
    /// Started at or after: a time as PostgreSQL reads it, UTC.
    pub from_text: Option<String>,
    /// Started at or before: a time as PostgreSQL reads it, UTC.
    pub through_text: Option<String>,
    /// `rerunofflowinstanceid`.
    pub original: Option<String>,
    /// This instance or a rerun of it.
    pub related_to: Option<String>,
    /// Ran at least so long.
    pub at_least: Option<Duration>,
    /// Ran at most so long.
    pub at_most: Option<Duration>,
}

impl Filter {
    /// Checks what no database has to be asked for: lengths, NUL characters, empty ranges, the
    /// words of `statuses`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field.
    pub fn check(&self) -> Result<(), Error> {
        for (field, text) in [
            ("user", &self.user),
            ("app", &self.app),
            ("app_version", &self.version),
            ("flow_name", &self.flow),
            ("host", &self.host),
            ("interval", &self.interval),
            ("startTime", &self.from_text),
            ("endTime", &self.through_text),
        ] {
            text.as_ref().map_or(Ok(()), |text| check(field, text))?;
        }
        for (field, id) in [
            ("original_instance_id", &self.original),
            ("flowinstanceid", &self.related_to),
        ] {
            id.as_ref().map_or(Ok(()), |id| check_id(field, id))?;
        }
        for status in &self.statuses {
            check("statuses", status)?;
            if !STATUSES.contains(&&**status) {
                let words = STATUSES.join(", ");
                return Err(Error::invalid(
                    "statuses",
                    format!("holds {status:.40?}; send any of {words}"),
                ));
            }
        }
        if let (Some(from), Some(before)) = (self.from, self.before)
            && from >= before
        {
            return Err(Error::invalid(
                "started_before",
                "is not after started_from, so that nothing can lie between; exchange them",
            ));
        }
        if let (Some(least), Some(most)) = (self.at_least, self.at_most)
            && least > most
        {
            return Err(Error::invalid(
                "max_execution_time",
                "is shorter than min_execution_time, so that nothing can lie between; exchange them",
            ));
        }
        Ok(())
    }

    /// The values of a statement, the times as `from` and `before` say and not as the texts do.
    pub(super) fn values(&self, from: Option<Time>, before: Option<Time>) -> Values<'_> {
        let mut statuses: Vec<&str> = self.statuses.iter().map(|status| &**status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        // a row has whole microseconds: what is shorter than one is rounded to the near side
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let rest = |time: Duration| i64::from(!time.subsec_nanos().is_multiple_of(1_000));
        Values {
            filter: self,
            statuses: (!statuses.is_empty()).then_some(statuses),
            from,
            before,
            at_least: self
                .at_least
                .map(|time| micros(time).saturating_add(rest(time))),
            at_most: self.at_most.map(micros),
        }
    }
}

/// A filter as the statements take it.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    filter: &'a Filter,
    pub(super) statuses: Option<Vec<&'a str>>,
    from: Option<Time>,
    before: Option<Time>,
    at_least: Option<i64>,
    at_most: Option<i64>,
}

impl Values<'_> {
    /// `$1` to `$10` of every list of instances. The statements compare `took_us` within a
    /// `case`: of a plain range the planner expects one row in 200, and would rather sort all rows.
    pub(super) fn list(&self) -> Vec<Value<'_>> {
        let filter = self.filter;
        vec![
            (&filter.user, Type::TEXT),
            (&filter.app, Type::TEXT),
            (&filter.version, Type::TEXT),
            (&filter.flow, Type::TEXT),
            (&filter.host, Type::TEXT),
            (&self.statuses, Type::TEXT_ARRAY),
            (&self.from, Type::TIMESTAMP),
            (&self.before, Type::TIMESTAMP),
            (&self.at_least, Type::INT8),
            (&self.at_most, Type::INT8),
        ]
    }

    /// [`Values::list`], then `$11` and `$12` of statements that go by originals.
    pub(super) fn related(&self) -> Vec<Value<'_>> {
        let mut values = self.list();
        values.push((&self.filter.original, Type::TEXT));
        values.push((&self.filter.related_to, Type::TEXT));
        values
    }
}

/// A text that PostgreSQL can compare.
pub(super) fn check(field: &'static str, text: &str) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(Error::invalid(
            field,
            "holds a NUL character, which PostgreSQL does not store; remove it",
        ));
    }
    if text.len() > LONGEST {
        let problem = format!("has {} bytes; send at most {LONGEST}", text.len());
        return Err(Error::invalid(field, problem));
    }
    Ok(())
}

/// The id of an instance.
pub(super) fn check_id(field: &'static str, id: &str) -> Result<(), Error> {
    if id.is_empty() {
        return Err(Error::invalid(field, "is empty; name an instance"));
    }
    check(field, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_asked_is_refused_with_its_field() {
        let time = |seconds| Micros::from_unix("t", seconds, 0).ok();
        let check = |change: &dyn Fn(&mut Filter), field: &str| {
            let mut filter = Filter::default();
            change(&mut filter);
            let found = filter.check().map_err(|error| error.to_string());
            match found {
                Ok(()) => assert_eq!(field, "", "{filter:?}"),
                Err(error) => assert!(
                    !field.is_empty() && error.starts_with(&format!("{field} ")),
                    "{error}"
                ),
            }
        };
        check(&|_| (), "");
        check(&|f| f.user = Some(String::new()), "");
        check(&|f| f.user = Some("a\0".into()), "user");
        check(&|f| f.app = Some("x".repeat(2_705)), "app");
        check(&|f| f.version = Some("\0".into()), "app_version");
        check(&|f| f.flow = Some("\0".into()), "flow_name");
        check(&|f| f.host = Some("\0".into()), "host");
        check(
            &|f| f.statuses = vec!["Failed".into(), "Created".into()],
            "",
        );
        check(&|f| f.statuses = vec!["failed".into()], "statuses");
        check(&|f| f.statuses = vec![String::new()], "statuses");
        check(
            &|f| f.original = Some(String::new()),
            "original_instance_id",
        );
        check(&|f| f.related_to = Some(String::new()), "flowinstanceid");
        check(&|f| (f.from, f.before) = (time(1), time(2)), "");
        check(
            &|f| (f.from, f.before) = (time(2), time(2)),
            "started_before",
        );
        let second = Duration::from_secs(1);
        check(
            &|f| (f.at_least, f.at_most) = (Some(second), Some(second)),
            "",
        );
        check(
            &|f| (f.at_least, f.at_most) = (Some(second), Some(Duration::ZERO)),
            "max_execution_time",
        );
    }

    #[test]
    fn execution_times_are_rounded_so_that_no_row_is_wrong() {
        let filter = Filter {
            at_least: Some(Duration::from_nanos(1_001)),
            at_most: Some(Duration::from_nanos(2_999)),
            statuses: vec!["Failed".into(), "Created".into(), "Failed".into()],
            ..Filter::default()
        };
        let values = filter.values(None, None);
        assert_eq!((values.at_least, values.at_most), (Some(2), Some(2)));
        assert_eq!(values.statuses, Some(vec!["Created", "Failed"]));
    }
}
