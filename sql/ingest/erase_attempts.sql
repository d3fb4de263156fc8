-- ingest/erase_attempts: deletes what is kept apart of the attempts of these instances, those that began before the deletion or all; answers with the number of those that have a start time
with gone as (
  delete from flowtrail.attempts a
  using flowtrail.cuts c
  where a.flowinstanceid = any ($1) and c.flowinstanceid = a.flowinstanceid and c.kind = 'deleted'
    and ($2 or coalesce(nullif(a.attempt, '-infinity'), a.endtime, '-infinity') < c.cut_at)
  returning a.attempt
)
select count(*) filter (where attempt > '-infinity') as attempts from gone
