-- ingest/attempts_start: merges the staged starts of these instances into their attempts, one that begins anew before one that goes on; answers with the ords of those that count
with starts as (
  select distinct on (flowinstanceid, starttime) s.*
  from pg_temp.stage_flows s
  where kind = 1 and flowinstanceid = any ($1)
  order by flowinstanceid, starttime, status is distinct from 'Started' desc,
    row(userid, appname, appversion, flowname, hostid, parentflowinstanceid, parentflowname, rerunofflowinstanceid, flowinput, misc, status, endtime)::record desc
), merged as (
  insert into flowtrail.attempts as a (
    flowinstanceid, attempt, started, ended, userid, appname, appversion, flowname, hostid,
    parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput, start_endtime, start_status)
  select
    flowinstanceid, starttime, true, false, userid, appname, appversion, flowname, hostid,
    parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput, endtime, status
  from starts
  on conflict (flowinstanceid, attempt) do update
  set started = true, userid = excluded.userid, appname = excluded.appname, appversion = excluded.appversion,
    flowname = excluded.flowname, hostid = excluded.hostid, parentflowinstanceid = excluded.parentflowinstanceid,
    parentflowname = excluded.parentflowname, misc = excluded.misc, rerunofflowinstanceid = excluded.rerunofflowinstanceid,
    flowinput = excluded.flowinput, start_endtime = excluded.start_endtime, start_status = excluded.start_status
  where not a.started
    or (excluded.start_status is distinct from 'Started', row(excluded.userid, excluded.appname, excluded.appversion, excluded.flowname, excluded.hostid, excluded.parentflowinstanceid, excluded.parentflowname, excluded.rerunofflowinstanceid, excluded.flowinput, excluded.misc, excluded.start_status, excluded.start_endtime)::record)
      > (a.start_status is distinct from 'Started', row(a.userid, a.appname, a.appversion, a.flowname, a.hostid, a.parentflowinstanceid, a.parentflowname, a.rerunofflowinstanceid, a.flowinput, a.misc, a.start_status, a.start_endtime)::record)
  returning flowinstanceid, attempt
)
select s.ord
from merged m
join starts s on s.flowinstanceid = m.flowinstanceid and s.starttime = m.attempt
