-- ingest/flows_merge: stores the attempts of instances that have one in this batch, or completes what the very same start, or none but an end here, has stored; answers with the ords of what was stored, and with the instances that an end alone has made
--
-- The stage has no statistics: comparisons like `kind < 2` instead of `kind = 1` let the planner expect many rows.
with best as (
  select distinct on (flowinstanceid, starttime, kind > 1) s.*
  from pg_temp.stage_flows s
  order by flowinstanceid, starttime, kind > 1,
    kind < 2 and status is distinct from 'Started' desc,
    kind > 1 and coalesce(status in ('Completed', 'Failed', 'Cancelled'), false) desc,
    case when kind > 1 then endtime end desc,
    case
      when kind > 1 then row(status, flowoutput, userid, appname, appversion, flowname, hostid)::record
      else row(userid, appname, appversion, flowname, hostid, parentflowinstanceid, parentflowname, rerunofflowinstanceid, flowinput, misc, status, endtime)::record
    end desc
), paired as (
  select b.*,
    row_number() over attempt as place,
    lead(ord) over attempt as end_ord,
    lead(endtime) over attempt as end_endtime,
    lead(status) over attempt as end_status,
    lead(flowoutput) over attempt as end_flowoutput,
    count(*) over instance = count(starttime) over instance
      and min(starttime) over instance = max(starttime) over instance as alone
  from best b
  window attempt as (partition by flowinstanceid, starttime order by kind), instance as (partition by flowinstanceid)
), folded as (
  select p.*, kind < 2 as started, case when kind < 2 then end_ord else ord end as ended
  from paired p
  where place < 2 and alone and (kind > 1 or status is distinct from 'Started')
), merged as (
  insert into public.flowstate as f (
    flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime, executiontime, status,
    parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput, flowoutput, reruncount)
  select
    flowinstanceid, userid, appname, appversion, flowname, hostid, starttime,
    case when started and ended is not null then end_endtime else endtime end,
    flowtrail.executiontime(starttime, case when started then end_endtime else endtime end),
    case when started and ended is not null then end_status else status end,
    parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput,
    case when started then end_flowoutput else flowoutput end,
    -- null marks an end alone, here and in what is excluded
    case when started then 0 end
  from folded
  order by flowinstanceid
  on conflict (flowinstanceid) do update
  set endtime = excluded.endtime, executiontime = excluded.executiontime, status = excluded.status, flowoutput = excluded.flowoutput
  where f.starttime = excluded.starttime
    and excluded.executiontime is not null
    and (excluded.reruncount is null
      or row(f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.parentflowinstanceid, f.parentflowname, f.rerunofflowinstanceid, f.flowinput, f.misc)::record
        = row(excluded.userid, excluded.appname, excluded.appversion, excluded.flowname, excluded.hostid, excluded.parentflowinstanceid, excluded.parentflowname, excluded.rerunofflowinstanceid, excluded.flowinput, excluded.misc)::record)
    and (f.executiontime is null
      or (coalesce(excluded.status in ('Completed', 'Failed', 'Cancelled'), false), excluded.endtime, row(excluded.status, excluded.flowoutput)::record)
        > (coalesce(f.status in ('Completed', 'Failed', 'Cancelled'), false), f.endtime, row(f.status, f.flowoutput)::record))
  returning f.flowinstanceid, xmax = 0 as inserted
)
select
  case when m.inserted and n.started then n.ord end as started,
  n.ended,
  case when m.inserted and not n.started then m.flowinstanceid end as orphan
from merged m
join folded n using (flowinstanceid)
