-- ingest/flows_complete: completes stored attempts whose starts are not in this batch; answers with the ords of the ends
with ends as (
  select distinct on (flowinstanceid, starttime) s.*
  from pg_temp.stage_flows s
  where kind > 1 and starttime is not null
    and not exists (
      select from pg_temp.stage_flows o
      where o.kind = 1 and o.flowinstanceid = s.flowinstanceid and o.starttime = s.starttime)
  order by flowinstanceid, starttime,
    coalesce(status in ('Completed', 'Failed', 'Cancelled'), false) desc, endtime desc,
    row(status, flowoutput, userid, appname, appversion, flowname, hostid)::record desc
)
update public.flowstate f
set endtime = e.endtime, executiontime = flowtrail.executiontime(f.starttime, e.endtime), status = e.status, flowoutput = e.flowoutput
from ends e
where f.flowinstanceid = e.flowinstanceid and f.starttime = e.starttime
  and (f.executiontime is null
    or (coalesce(e.status in ('Completed', 'Failed', 'Cancelled'), false), e.endtime, row(e.status, e.flowoutput)::record)
      > (coalesce(f.status in ('Completed', 'Failed', 'Cancelled'), false), f.endtime, row(f.status, f.flowoutput)::record))
returning e.ord as ended
