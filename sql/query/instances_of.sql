-- query/instances_of: those of some instances that pass the filter, $1 to $12
select
  f.flowinstanceid, left(f.userid, 1024) as userid, left(f.appname, 1024) as appname, left(f.appversion, 1024) as appversion,
  left(f.flowname, 1024) as flowname, left(f.hostid, 1024) as hostid, left(f.status, 1024) as status, f.starttime, f.endtime,
  left(f.executiontime, 64) as executiontime, left(f.rerunofflowinstanceid, 4096) as rerunofflowinstanceid, f.reruncount,
  left(f.parentflowinstanceid, 4096) as parentflowinstanceid, left(f.parentflowname, 1024) as parentflowname,
  f.flowinput is not null as has_input
from public.flowstate f
where f.flowinstanceid = any ($13::text[])
  and ($1::text is null or f.userid = $1)
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
  and ($11::text is null or f.rerunofflowinstanceid = $11)
  and ($12::text is null or f.flowinstanceid = $12 or f.rerunofflowinstanceid = $12)
order by coalesce(f.starttime, '-infinity') desc, f.flowinstanceid desc
