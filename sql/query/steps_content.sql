-- query/steps_content: some steps of the newest attempt with their content, or a portion of it
select
  s.number, s.shown_task, s.shown_status, s.shown_flow, s.shown_subflow, s.starttime, s.endtime, s.rerun, s.bytes,
  case when $3::integer is null then s.stepdata else substring(s.stepdata from $3 + 1 for $4::integer) end as content
from flowtrail.step_versions s
where s.flowinstanceid = $1
  and not s.past
  and s.stepid = any ($2::text[])
order by s.number
