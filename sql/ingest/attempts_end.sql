-- ingest/attempts_end: merges the staged ends of these instances into their attempts; answers with the ords of those that count
with ends as (
  select distinct on (flowinstanceid, attempt) s.*, coalesce(starttime, '-infinity') as attempt
  from pg_temp.stage_flows s
  where kind > 1 and flowinstanceid = any ($1)
  order by flowinstanceid, attempt,
    coalesce(status in ('Completed', 'Failed', 'Cancelled'), false) desc, endtime desc,
    row(status, flowoutput, userid, appname, appversion, flowname, hostid)::record desc
), merged as (
  insert into flowtrail.attempts as a (
    flowinstanceid, attempt, started, ended, userid, appname, appversion, flowname, hostid, endtime, status, flowoutput)
  select flowinstanceid, attempt, false, true, userid, appname, appversion, flowname, hostid, endtime, status, flowoutput
  from ends
  on conflict (flowinstanceid, attempt) do update
  set ended = true, endtime = excluded.endtime, status = excluded.status, flowoutput = excluded.flowoutput,
    userid = case when a.started then a.userid else excluded.userid end,
    appname = case when a.started then a.appname else excluded.appname end,
    appversion = case when a.started then a.appversion else excluded.appversion end,
    flowname = case when a.started then a.flowname else excluded.flowname end,
    hostid = case when a.started then a.hostid else excluded.hostid end
  where not a.ended
    or (coalesce(excluded.status in ('Completed', 'Failed', 'Cancelled'), false), excluded.endtime,
        row(excluded.status, excluded.flowoutput, excluded.userid, excluded.appname, excluded.appversion, excluded.flowname, excluded.hostid)::record)
      > (coalesce(a.status in ('Completed', 'Failed', 'Cancelled'), false), a.endtime,
        row(a.status, a.flowoutput, a.userid, a.appname, a.appversion, a.flowname, a.hostid)::record)
  returning flowinstanceid, attempt
)
select e.ord
from merged m
join ends e on e.flowinstanceid = m.flowinstanceid and e.attempt = m.attempt
