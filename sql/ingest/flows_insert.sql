-- ingest/flows_insert: stores attempts that begin in this batch, with their ends; completes those stored by the very same start; answers with the ords of what was stored
with starts as (
  select distinct on (flowinstanceid, starttime) s.*
  from pg_temp.stage_flows s
  where kind = 1 and status is distinct from 'Started'
  order by flowinstanceid, starttime,
    row(userid, appname, appversion, flowname, hostid, parentflowinstanceid, parentflowname, rerunofflowinstanceid, flowinput, misc, status, endtime)::record desc
), ends as (
  select distinct on (flowinstanceid, starttime) s.*
  from pg_temp.stage_flows s
  where kind > 1 and starttime is not null
  order by flowinstanceid, starttime,
    coalesce(status in ('Completed', 'Failed', 'Cancelled'), false) desc, endtime desc,
    row(status, flowoutput, userid, appname, appversion, flowname, hostid)::record desc
), single as (
  select flowinstanceid
  from pg_temp.stage_flows
  group by flowinstanceid
  having min(coalesce(starttime, '-infinity')) = max(coalesce(starttime, '-infinity'))
), merged as (
  insert into public.flowstate as f (
    flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime, executiontime, status,
    parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput, flowoutput, reruncount)
  select
    s.flowinstanceid, s.userid, s.appname, s.appversion, s.flowname, s.hostid, s.starttime,
    coalesce(e.endtime, s.endtime), flowtrail.executiontime(s.starttime, e.endtime),
    case when e.ord is null then s.status else e.status end,
    s.parentflowinstanceid, s.parentflowname, s.misc, s.rerunofflowinstanceid, s.flowinput, e.flowoutput, 0
  from starts s
  join single using (flowinstanceid)
  left join ends e on e.flowinstanceid = s.flowinstanceid and e.starttime = s.starttime
  order by s.flowinstanceid
  on conflict (flowinstanceid) do update
  set endtime = excluded.endtime, executiontime = excluded.executiontime, status = excluded.status, flowoutput = excluded.flowoutput
  where f.starttime = excluded.starttime
    and row(f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.parentflowinstanceid, f.parentflowname, f.rerunofflowinstanceid, f.flowinput, f.misc)::record
      = row(excluded.userid, excluded.appname, excluded.appversion, excluded.flowname, excluded.hostid, excluded.parentflowinstanceid, excluded.parentflowname, excluded.rerunofflowinstanceid, excluded.flowinput, excluded.misc)::record
    and excluded.executiontime is not null
    and (f.executiontime is null
      or (coalesce(excluded.status in ('Completed', 'Failed', 'Cancelled'), false), excluded.endtime, row(excluded.status, excluded.flowoutput)::record)
        > (coalesce(f.status in ('Completed', 'Failed', 'Cancelled'), false), f.endtime, row(f.status, f.flowoutput)::record))
  returning f.flowinstanceid, xmax = 0 as inserted
)
select case when m.inserted then s.ord end as started, e.ord as ended
from merged m
join starts s using (flowinstanceid)
left join ends e on e.flowinstanceid = s.flowinstanceid and e.starttime = s.starttime
