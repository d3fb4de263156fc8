//! Lists of instances.
//!
//! Which statement answers depends on what is known: with user and app nearly each filter has an
//! index in the order of the list; otherwise the statement jumps from app to app, or from version to
//! version. See `docs/queries.md`.

use tokio_postgres::{Row, error::SqlState, types::Type};

use super::{
    Cursor, Error, Filter, History, Instance, Page,
    filter::COMPLETED,
    row::{self, Time, Value, started},
    sql,
};

/// Instances of a page at most.
pub const MAX_PAGE: u32 = 1_000;
/// Instances counted at most by [`History::instances_at`].
pub const MAX_COUNT: i64 = 10_000;
/// Bytes of the texts of a page, about: a page ends behind the instance that exceeds them.
const PAGE_BYTES: usize = 2 << 20;

impl History {
    /// A page of at most `limit` instances behind `after`; fewer when their texts are long.
    ///
    /// # Errors
    /// When the filter is wrong or the database does not answer.
    pub async fn instances(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page, Error> {
        let limit = limit.clamp(1, MAX_PAGE) as usize;
        // one more tells whether there is another page
        let (asked, offset) = (i64::try_from(limit + 1).unwrap_or(i64::MAX), 0_i64);
        let (from, before) = self.range(filter).await?;
        let values = filter.values(from, before);
        let (at, id) = (after.map(|after| after.at), after.map(|after| &after.id));
        let place: [Value<'_>; 3] = [
            (&at, Type::TIMESTAMP),
            (&id, Type::TEXT),
            (&asked, Type::INT8),
        ];
        let rows = if filter.original.is_some() || filter.related_to.is_some() {
            let mut all = values.related();
            all.extend(place);
            all.push((&offset, Type::INT8));
            self.rows(sql!("instances_related"), &all).await?
        } else {
            let mut all = values.list();
            all.extend(place);
            let statement = statement(filter, values.statuses.as_deref());
            self.rows(statement, &all).await?
        };
        page(&rows, limit)
    }

    /// The instances at `offset`, and how many there are in all, counted up to [`MAX_COUNT`].
    ///
    /// # Errors
    /// When the filter is wrong or the database does not answer.
    pub async fn instances_at(
        &self,
        filter: &Filter,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Instance>, i64), Error> {
        let (limit, offset) = (i64::from(limit.min(MAX_PAGE)), i64::from(offset));
        let (from, before) = self.range(filter).await?;
        let values = filter.values(from, before);
        let most: Value<'_> = (&MAX_COUNT, Type::INT8);
        let (limit, offset): (Value<'_>, Value<'_>) = ((&limit, Type::INT8), (&offset, Type::INT8));
        let (rows, found) = if filter.original.is_some() || filter.related_to.is_some() {
            let mut counted = values.related();
            counted.push(most);
            let mut all = values.related();
            let nowhere: [Value<'_>; 2] = [
                (&None::<Time>, Type::TIMESTAMP),
                (&None::<&str>, Type::TEXT),
            ];
            all.extend(nowhere);
            all.extend([limit, offset]);
            (
                self.rows(sql!("instances_related"), &all).await?,
                self.rows(sql!("instances_related_count"), &counted).await?,
            )
        } else {
            let mut counted = values.list();
            counted.push(most);
            let mut all = values.list();
            all.extend([limit, offset]);
            (
                self.rows(sql!("instances_at"), &all).await?,
                self.rows(sql!("instances_count"), &counted).await?,
            )
        };
        let count = found.first().map(|row| row.try_get("found")).transpose()?;
        let instances = rows.iter().map(row::instance).collect::<Result<_, _>>()?;
        Ok((instances, count.unwrap_or_default()))
    }

    /// Those of `ids` that pass `filter`, as they are now, in the order of lists.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn instances_of(
        &self,
        ids: &[&str],
        filter: &Filter,
    ) -> Result<Vec<Instance>, Error> {
        let (from, before) = self.range(filter).await?;
        let values = filter.values(from, before);
        let mut all = values.related();
        all.push((&ids, Type::TEXT_ARRAY));
        let rows = self.rows(sql!("instances_of"), &all).await?;
        Ok(rows.iter().map(row::instance).collect::<Result<_, _>>()?)
    }

    /// Between which times `filter` wants instances to have started; its texts are PostgreSQL's to
    /// read.
    async fn range(&self, filter: &Filter) -> Result<(Option<Time>, Option<Time>), Error> {
        filter.check()?;
        let (mut from, mut before) = (filter.from.map(Time::from), filter.before.map(Time::from));
        if let Some(interval) = &filter.interval {
            let wrong = "is no interval that lies behind us; send one such as `2 hours`";
            let read = self
                .read("interval", wrong, sql!("since"), interval)
                .await?;
            let behind: bool = read.try_get("behind")?;
            let since: Time = read.try_get("at")?;
            if !behind || since.finite().is_none() {
                return Err(Error::invalid("interval", wrong));
            }
            from = from.max_by_time(since);
        }
        for (field, text) in [
            ("startTime", &filter.from_text),
            ("endTime", &filter.through_text),
        ] {
            let Some(text) = text else { continue };
            let wrong = "is no time; send one such as `2026-01-31 12:00:00`, in UTC";
            let read = self.read(field, wrong, sql!("time"), text).await?;
            let at: Time = read.try_get("at")?;
            if at.finite().is_none() {
                return Err(Error::invalid(field, wrong));
            }
            if field == "startTime" {
                from = from.max_by_time(at);
            } else {
                let end = Time(at.0.saturating_add(1));
                before = Some(before.map_or(end, |before| Time(before.0.min(end.0))));
            }
        }
        Ok((from, before))
    }

    /// What PostgreSQL reads in `text`, which is `wrong` when it cannot.
    async fn read(
        &self,
        field: &'static str,
        wrong: &str,
        statement: &str,
        text: &String,
    ) -> Result<Row, Error> {
        match self.rows(statement, &[(text, Type::TEXT)]).await {
            Ok(rows) => rows
                .into_iter()
                .next()
                .ok_or_else(|| Error::invalid(field, wrong)),
            Err(error) => Err(match error.sqlstate() {
                Some(
                    &SqlState::INVALID_DATETIME_FORMAT
                    | &SqlState::DATETIME_FIELD_OVERFLOW
                    | &SqlState::INTERVAL_FIELD_OVERFLOW
                    | &SqlState::INVALID_TIME_ZONE_DISPLACEMENT_VALUE
                    | &SqlState::INVALID_PARAMETER_VALUE,
                ) => Error::invalid(field, wrong),
                _ => error,
            }),
        }
    }
}

trait Later {
    /// The later one.
    fn max_by_time(self, other: Time) -> Self;
}

impl Later for Option<Time> {
    fn max_by_time(self, other: Time) -> Self {
        Some(self.map_or(other, |time| Time(time.0.max(other.0))))
    }
}

/// What answers this filter by a walk in an index, or by few of them.
fn statement(filter: &Filter, statuses: Option<&[&str]>) -> &'static str {
    let known = filter.user.is_some() && filter.app.is_some();
    // completed ones are not in the index of statuses
    let uncommon = statuses.filter(|statuses| !statuses.contains(&COMPLETED));
    let of_flow = filter.flow.is_some() && filter.version.is_none() && filter.host.is_none();
    match uncommon.map(<[_]>::len) {
        Some(1) if known => sql!("instances_of_app"),
        Some(_) => sql!("instances_anywhere_by_status"),
        None if known && of_flow => sql!("instances_of_flow"),
        None if known => sql!("instances_of_app"),
        None if of_flow => sql!("instances_anywhere_by_flow"),
        None => sql!("instances_anywhere"),
    }
}

fn page(rows: &[Row], limit: usize) -> Result<Page, Error> {
    let mut page = Page::default();
    let mut bytes = 0;
    for row in rows {
        if page.instances.len() == limit || bytes > PAGE_BYTES {
            break;
        }
        let instance = row::instance(row)?;
        bytes += instance.text_bytes();
        page.instances.push(instance);
    }
    if let Some((last, _)) = page.instances.last().zip(rows.get(page.instances.len())) {
        page.next = Some(Cursor {
            at: started(&rows[page.instances.len() - 1])?,
            id: last.id.clone(),
        });
    }
    Ok(page)
}

impl Instance {
    fn text_bytes(&self) -> usize {
        [
            &self.id,
            &self.user,
            &self.app,
            &self.version,
            &self.flow,
            &self.host,
            &self.status,
            &self.original,
            &self.parent,
            &self.parent_flow,
        ]
        .map(String::len)
        .iter()
        .sum()
    }
}
