-- query/reruns: the direct reruns of an instance, the newest first
select
  f.flowinstanceid, left(f.userid, 1024) as userid, left(f.appname, 1024) as appname, left(f.appversion, 1024) as appversion,
  left(f.flowname, 1024) as flowname, left(f.hostid, 1024) as hostid, left(f.status, 1024) as status, f.starttime, f.endtime,
  left(f.executiontime, 64) as executiontime, left(f.rerunofflowinstanceid, 4096) as rerunofflowinstanceid, f.reruncount,
  left(f.parentflowinstanceid, 4096) as parentflowinstanceid, left(f.parentflowname, 1024) as parentflowname,
  f.flowinput is not null as has_input
from public.flowstate f
where f.rerunofflowinstanceid = $1
  and f.rerunofflowinstanceid <> ''
order by coalesce(f.starttime, '-infinity') desc, f.flowinstanceid desc
limit 1000
