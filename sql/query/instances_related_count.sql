-- query/instances_related_count: how many of instances_related there are, counted up to a limit
with related as materialized (
  select
    f.flowinstanceid, f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.starttime, f.endtime,
    f.executiontime, f.status, f.parentflowinstanceid, f.parentflowname, f.rerunofflowinstanceid, f.reruncount,
    f.flowinput is not null as has_input
  from public.flowstate f
  where ($11::text is null or (f.rerunofflowinstanceid = $11 and f.rerunofflowinstanceid <> ''))
    and ($12::text is null or f.flowinstanceid = $12 or (f.rerunofflowinstanceid = $12 and f.rerunofflowinstanceid <> ''))
)
select count(*) as found
from (
  select from related f
  where ($1::text is null or f.userid = $1)
    and ($2::text is null or f.appname = $2)
    and ($3::text is null or f.appversion = $3)
    and ($4::text is null or f.flowname = $4)
    and ($5::text is null or f.hostid = $5)
    and ($6::text[] is null or f.status = any ($6))
    and ($7::timestamp is null or coalesce(f.starttime, '-infinity') >= $7)
    and ($8::timestamp is null or (coalesce(f.starttime, '-infinity') < $8 and coalesce(f.starttime, '-infinity') > '-infinity'))
    and ($9::bigint is null
      or case when f.executiontime ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?$' then f.executiontime::numeric * 1000 >= $9 end)
    and ($10::bigint is null
      or case when f.executiontime ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?$' then f.executiontime::numeric * 1000 <= $10 end)
  limit $13
) f
