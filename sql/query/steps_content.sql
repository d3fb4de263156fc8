-- query/steps_content: some steps of the newest attempt with their content, or a portion of it
select
  s.number, left(s.taskname, 1024) as taskname, left(s.status, 1024) as status, left(s.flowname, 1024) as flowname,
  left(s.subflowid, 1024) as subflowid, s.starttime, s.endtime, s.rerun, coalesce(octet_length(s.stepdata), 0)::bigint as bytes,
  case when $3::integer is null then s.stepdata else substring(s.stepdata from $3 + 1 for $4::integer) end as content
from (
  select s.*, s.stepid::bigint as number
  from public.steps s
  where s.flowinstanceid = $1 and s.stepid = any ($2::text[])
) s
order by s.number
