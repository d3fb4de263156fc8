-- query/past_steps_content: some steps of an earlier attempt, by id and start time, with their content, or a portion of it
with versions as (
  select s.stepid, s.taskname, s.status, s.starttime, s.endtime, s.stepdata, s.flowname, s.subflowid,
    s.rerun
  from public.steps s
  where s.flowinstanceid = $1 and s.stepid = any ($2::text[])
  union all
  select p.stepid, p.taskname, p.status, p.starttime, p.endtime, p.stepdata, p.flowname, p.subflowid,
    p.rerun
  from flowtrail.past_steps p
  where p.flowinstanceid = $1 and p.stepid = any ($2::text[])
)
select
  s.number, left(s.taskname, 1024) as taskname, left(s.status, 1024) as status, left(s.flowname, 1024) as flowname,
  left(s.subflowid, 1024) as subflowid, s.starttime, s.endtime, s.rerun, coalesce(octet_length(s.stepdata), 0)::bigint as bytes,
  case when $3::integer is null then s.stepdata else substring(s.stepdata from $3 + 1 for $4::integer) end as content
from (
  select distinct on (v.number) v.*
  from (select s.*, s.stepid::bigint as number from versions s) v
  join unnest($2, $5::timestamp[]) as w (stepid, starttime)
    on w.stepid = v.stepid and w.starttime is not distinct from v.starttime
  order by v.number, v.endtime desc nulls last
) s
order by s.number
