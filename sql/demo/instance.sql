-- demo/instance: one instance of flow $3 of user $1's app $2, the newest
select flowinstanceid, flowname, status, starttime::text, endtime::text, executiontime,
  convert_from(flowinput, 'UTF8'), convert_from(flowoutput, 'UTF8')
from public.flowstate
where userid = $1 and appname = $2 and flowname = $3
order by starttime desc, flowinstanceid
limit 1
