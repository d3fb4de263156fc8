-- ingest/erase_flows: deletes the rows of these instances of which no attempt is kept apart, those that began before the deletion or all; answers with their number
with gone as (
  delete from public.flowstate f
  using flowtrail.cuts c
  where f.flowinstanceid = any ($1) and c.flowinstanceid = f.flowinstanceid and c.kind = 'deleted'
    and ($2 or coalesce(f.starttime, f.endtime, '-infinity') < c.cut_at)
    and not exists (select from flowtrail.attempts a where a.flowinstanceid = f.flowinstanceid)
  returning 1
)
select count(*) as flows from gone
