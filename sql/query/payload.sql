-- query/payload: a portion of a payload of an attempt: the input or the output, from a byte on, and what tells whether it is still the same
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
select case when $5::integer is null then p.payload else substring(p.payload from $4::integer + 1 for $5) end as portion,
  octet_length(p.payload)::bigint as bytes
from numbered f
cross join lateral (select case when $3::boolean then f.flowinput else f.flowoutput end as payload) p
where case when $2::bigint is null then f.newest else f.number = $2 end
