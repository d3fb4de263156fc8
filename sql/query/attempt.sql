-- query/attempt: one attempt of an instance, by number or the newest, without its payloads
with attempts as (
  select
    p.flowinstanceid, p.userid, p.appname, p.appversion, p.flowname, p.hostid, p.starttime, p.endtime,
    p.executiontime, p.status, p.parentflowinstanceid, p.parentflowname, p.rerunofflowinstanceid, p.flowinput, p.flowoutput, p.reruncount,
    false as newest
  from flowtrail.past_flowstate p
  where p.flowinstanceid = $1
  union all
  select
    f.flowinstanceid, f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.starttime, f.endtime,
    f.executiontime, f.status, f.parentflowinstanceid, f.parentflowname, f.rerunofflowinstanceid, f.flowinput, f.flowoutput, f.reruncount,
    true
  from public.flowstate f
  where f.flowinstanceid = $1
), numbered as (
  select a.*,
    row_number() over earlier as number,
    count(*) over () as attempts,
    lead(a.starttime) over earlier as next_start
  from attempts a
  window earlier as (order by a.newest, a.starttime)
)
select
  f.flowinstanceid, left(f.userid, 1024) as userid, left(f.appname, 1024) as appname, left(f.appversion, 1024) as appversion,
  left(f.flowname, 1024) as flowname, left(f.hostid, 1024) as hostid, left(f.status, 1024) as status, f.starttime, f.endtime,
  left(f.executiontime, 64) as executiontime, left(f.rerunofflowinstanceid, 4096) as rerunofflowinstanceid, f.reruncount,
  left(f.parentflowinstanceid, 4096) as parentflowinstanceid, left(f.parentflowname, 1024) as parentflowname,
  f.flowinput is not null as has_input,
  f.number, f.attempts, f.next_start, f.newest,
  octet_length(f.flowinput)::bigint as input_bytes, octet_length(f.flowoutput)::bigint as output_bytes,
  f.starttime is null or exists (
    select from flowtrail.attempts a
    where a.flowinstanceid = $1 and a.attempt = f.starttime and not a.started) as start_missing
from numbered f
where case when $2::bigint is null then f.newest else f.number = $2 end
