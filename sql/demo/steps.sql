-- demo/steps: the steps of instance $1 in their order
select stepid, flowname, taskname, status, starttime::text,
  round(extract(epoch from endtime - starttime)::numeric * 1000, 3)::text,
  octet_length(stepdata)::text
from public.steps
where flowinstanceid = $1
order by stepid::integer
