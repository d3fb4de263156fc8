-- ingest/attempts_show: makes the newest attempt of these instances their row, an end that named no attempt being its end too
with newest as (
  select distinct on (flowinstanceid) *
  from flowtrail.attempts
  where flowinstanceid = any ($1)
  order by flowinstanceid, attempt desc
), shown as (
  select n.*, e.ended as has_end, e.endtime as end_endtime, e.status as end_status, e.flowoutput as end_flowoutput
  from newest n
  left join lateral (
    select a.ended, a.endtime, a.status, a.flowoutput
    from flowtrail.attempts a
    where a.flowinstanceid = n.flowinstanceid and a.attempt in (n.attempt, '-infinity') and a.ended
    order by coalesce(a.status in ('Completed', 'Failed', 'Cancelled'), false) desc, a.endtime desc, row(a.status, a.flowoutput)::record desc
    limit 1
  ) e on true
)
update public.flowstate f
set userid = s.userid, appname = s.appname, appversion = s.appversion, flowname = s.flowname, hostid = s.hostid,
  starttime = nullif(s.attempt, '-infinity'),
  endtime = coalesce(s.end_endtime, s.start_endtime),
  executiontime = flowtrail.executiontime(nullif(s.attempt, '-infinity'), s.end_endtime),
  status = case when s.has_end then s.end_status else s.start_status end,
  parentflowinstanceid = s.parentflowinstanceid, parentflowname = s.parentflowname, misc = s.misc,
  rerunofflowinstanceid = s.rerunofflowinstanceid, flowinput = s.flowinput,
  flowoutput = s.end_flowoutput,
  reruncount = coalesce(f.reruncount, 0)
from shown s
where f.flowinstanceid = s.flowinstanceid
