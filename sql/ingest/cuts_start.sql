-- ingest/cuts_start: a newer attempt that began anew cuts all earlier steps; answers with the instances whose cut changed
with newest as (
  select distinct on (a.flowinstanceid) a.flowinstanceid, a.attempt
  from flowtrail.attempts a
  where a.flowinstanceid = any ($1)
    and a.started and a.start_status is distinct from 'Started'
    and exists (
      select from flowtrail.attempts o
      where o.flowinstanceid = a.flowinstanceid and o.attempt < a.attempt and o.attempt > '-infinity')
  order by a.flowinstanceid, a.attempt desc
)
insert into flowtrail.cuts as c (flowinstanceid, kind, fromstep, asked_at, cut_at)
select flowinstanceid, 'start', 0, '-infinity', attempt
from newest n
-- the row is locked only to change it: whoever writes steps of the instance shares it
where not exists (
  select from flowtrail.cuts c
  where c.flowinstanceid = n.flowinstanceid and c.kind = 'start' and c.cut_at >= n.attempt)
on conflict (flowinstanceid, kind, fromstep, asked_at) do update
set cut_at = excluded.cut_at, made_at = now()
where c.cut_at < excluded.cut_at
returning flowinstanceid
