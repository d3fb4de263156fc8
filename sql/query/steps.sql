-- query/steps: steps of the newest attempt in a range of ids, or those of it that $5 names, without their content; ids that are no numbers are left out
select s.number, s.shown_task, s.shown_status, s.shown_flow, s.shown_subflow, s.starttime, s.endtime, s.rerun, s.bytes
from flowtrail.step_versions s
where s.flowinstanceid = $1
  and not s.past
  and ($5::text[] is null or s.stepid = any ($5))
  and s.number > $2::bigint and s.number <= $3::bigint
order by s.number
limit $4
