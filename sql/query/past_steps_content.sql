-- query/past_steps_content: some steps of an earlier attempt, by id and start time, with their content, or a portion of it
select
  s.number, s.shown_task, s.shown_status, s.shown_flow, s.shown_subflow, s.starttime, s.endtime, s.rerun, s.bytes,
  case when $3::integer is null then s.stepdata else substring(s.stepdata from $3 + 1 for $4::integer) end as content
from (
  select distinct on (v.number) v.*
  from flowtrail.step_versions v
  join unnest($2::text[], $5::timestamp[]) as w (stepid, starttime)
    on w.stepid = v.stepid and w.starttime is not distinct from v.starttime
  where v.flowinstanceid = $1
    and v.stepid = any ($2)
  order by v.number, v.endtime desc nulls last
) s
order by s.number
