-- query/past_steps_gaps: the same as steps_gaps for an earlier attempt, between its start ($2) and that of the one after it ($3)
with restart as (
  select max(a.attempt) as anew
  from flowtrail.attempts a
  where a.flowinstanceid = $1
    and a.started and a.start_status is distinct from 'Started'
    and a.attempt <= $2::timestamp
    and exists (
      select from flowtrail.attempts o
      where o.flowinstanceid = $1 and o.attempt < a.attempt and o.attempt > '-infinity')
), numbered as (
  select distinct on (v.number) v.*
  from flowtrail.step_versions v
  where v.flowinstanceid = $1
    and v.number is not null
    and v.started < $3::timestamp
    and v.started >= coalesce((select anew from restart), '-infinity')
    and not exists (
      select from flowtrail.cuts c
      where c.flowinstanceid = $1 and c.kind = 'step' and c.cut_at <= $2
        and v.number >= c.fromstep and v.started < c.cut_at)
  order by v.number, v.starttime desc nulls last, v.endtime desc nulls last
)
select count(*) as steps,
  (array_agg(s.number order by s.number desc))[1:3] as last,
  (array_agg(s.before + 1 order by s.number) filter (where s.number - s.before > 1))[1:1000] as gap_from,
  (array_agg(s.number - 1 order by s.number) filter (where s.number - s.before > 1))[1:1000] as gap_to
from (
  select n.number, lag(n.number, 1, -1::bigint) over (order by n.number) as before
  from numbered n
  where n.number <= 2147483647
) s
