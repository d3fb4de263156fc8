-- ingest/attempts_seed: keeps the stored attempt of these instances apart, unless it is already
insert into flowtrail.attempts (
  flowinstanceid, attempt, started, ended, userid, appname, appversion, flowname, hostid,
  parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput,
  start_endtime, start_status, endtime, status, flowoutput)
select
  f.flowinstanceid, coalesce(f.starttime, '-infinity'), f.starttime is not null, e.ended,
  f.userid, f.appname, f.appversion, f.flowname, f.hostid,
  f.parentflowinstanceid, f.parentflowname, f.misc, f.rerunofflowinstanceid, f.flowinput,
  case when not e.ended then f.endtime end, case when not e.ended then f.status end,
  case when e.ended then f.endtime end, case when e.ended then f.status end, f.flowoutput
from public.flowstate f
cross join lateral (select f.executiontime is not null or f.starttime is null as ended) e
where f.flowinstanceid = any ($1)
  and not exists (select from flowtrail.attempts a where a.flowinstanceid = f.flowinstanceid)
