-- ingest/flows_irregular: which staged instances are more than one start and at most one end of the same start time
select distinct s.flowinstanceid
from pg_temp.stage_flows s
left join public.flowstate f on f.flowinstanceid = s.flowinstanceid
where s.starttime is null
  or f.starttime is distinct from s.starttime
  or s.kind < 2 and (
    s.status = 'Started'
    or row(f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.parentflowinstanceid, f.parentflowname, f.rerunofflowinstanceid, f.flowinput, f.misc)::record
      <> row(s.userid, s.appname, s.appversion, s.flowname, s.hostid, s.parentflowinstanceid, s.parentflowname, s.rerunofflowinstanceid, s.flowinput, s.misc)::record
    or f.executiontime is null and row(f.status, f.endtime)::record <> row(s.status, s.endtime)::record)
  or exists (select from flowtrail.attempts a where a.flowinstanceid = s.flowinstanceid)
order by s.flowinstanceid
