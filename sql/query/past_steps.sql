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
), numbered as (
  select distinct on (v.number) v.*
  from flowtrail.step_versions v
  where v.flowinstanceid = $1
    and v.number is not null
    and v.started < $6::timestamp
    and v.started >= coalesce((select anew from restart), '-infinity')
    and not exists (
      select from flowtrail.cuts c
      where c.flowinstanceid = $1 and c.kind = 'step' and c.cut_at <= $5
        and v.number >= c.fromstep and v.started < c.cut_at)
  order by v.number, v.starttime desc nulls last, v.endtime desc nulls last
)
select s.number, s.shown_task, s.shown_status, s.shown_flow, s.shown_subflow, s.starttime, s.endtime, s.rerun, s.bytes
from numbered s
where s.number > $2::bigint and s.number <= $3::bigint
order by s.number
limit $4
