-- query/steps: steps of the newest attempt in a range of ids, without their content; ids that are no numbers are left out
with numbered as (
  select s.stepid, s.taskname, s.status, s.starttime, s.endtime, s.stepdata, s.flowname, s.subflowid,
    s.rerun,
    case when s.stepid ~ '^(0|[1-9][0-9]{0,9})$' then s.stepid::bigint end as number
  from public.steps s
  where s.flowinstanceid = $1
)
select
  s.number, left(s.taskname, 1024) as taskname, left(s.status, 1024) as status, left(s.flowname, 1024) as flowname,
  left(s.subflowid, 1024) as subflowid, s.starttime, s.endtime, s.rerun, coalesce(octet_length(s.stepdata), 0)::bigint as bytes
from numbered s
where s.number > $2::bigint and s.number <= $3::bigint
order by s.number
limit $4
