-- query/past_steps: steps of an earlier attempt in a range of ids, without their content: of each the last that began before the attempt after it ($6) and that no cut made by the start of this one ($5) covers
with restart as (
  select max(a.attempt) as anew
  from flowtrail.attempts a
  where a.flowinstanceid = $1
    and a.started and a.start_status is distinct from 'Started'
    and a.attempt <= $5::timestamp
    and exists (
      select from flowtrail.attempts o
      where o.flowinstanceid = $1 and o.attempt < a.attempt and o.attempt > '-infinity')
), versions as (
  select s.stepid, s.taskname, s.status, s.starttime, s.endtime, s.stepdata, s.flowname, s.subflowid,
    s.rerun
  from public.steps s
  where s.flowinstanceid = $1
  union all
  select p.stepid, p.taskname, p.status, p.starttime, p.endtime, p.stepdata, p.flowname, p.subflowid,
    p.rerun
  from flowtrail.past_steps p
  where p.flowinstanceid = $1
), numbered as (
  select distinct on (v.number) v.*
  from (select s.*, case when s.stepid ~ '^(0|[1-9][0-9]{0,9})$' then s.stepid::bigint end as number from versions s) v
  where v.number is not null
    and coalesce(v.starttime, '-infinity') < $6::timestamp
    and coalesce(v.starttime, '-infinity') >= coalesce((select anew from restart), '-infinity')
    and not exists (
      select from flowtrail.cuts c
      where c.flowinstanceid = $1 and c.kind = 'step' and c.cut_at <= $5
        and v.number >= c.fromstep and coalesce(v.starttime, '-infinity') < c.cut_at)
  order by v.number, v.starttime desc nulls last, v.endtime desc nulls last
)
select
  s.number, left(s.taskname, 1024) as taskname, left(s.status, 1024) as status, left(s.flowname, 1024) as flowname,
  left(s.subflowid, 1024) as subflowid, s.starttime, s.endtime, s.rerun, coalesce(octet_length(s.stepdata), 0)::bigint as bytes
from numbered s
where s.number > $2::bigint and s.number <= $3::bigint
order by s.number
limit $4
