-- query/instances_of_app: a page of the instances of one app, with one status or any; $1 to $10 are the filter, $11 and $12 the place in the order
select
  f.flowinstanceid, left(f.userid, 1024) as userid, left(f.appname, 1024) as appname, left(f.appversion, 1024) as appversion,
  left(f.flowname, 1024) as flowname, left(f.hostid, 1024) as hostid, left(f.status, 1024) as status, f.starttime, f.endtime,
  left(f.executiontime, 64) as executiontime, left(f.rerunofflowinstanceid, 4096) as rerunofflowinstanceid, f.reruncount,
  left(f.parentflowinstanceid, 4096) as parentflowinstanceid, left(f.parentflowname, 1024) as parentflowname,
  f.flowinput is not null as has_input
from public.flowstate f
where f.userid = $1
  and f.appname = $2
  and ($3::text is null or f.appversion = $3)
  and ($4::text is null or f.flowname = $4)
  and ($5::text is null or f.hostid = $5)
  and ($6::text[] is null or f.status = ($6::text[])[1])
  and ($7::timestamp is null or coalesce(f.starttime, '-infinity') >= $7)
  and ($8::timestamp is null or (coalesce(f.starttime, '-infinity') < $8 and coalesce(f.starttime, '-infinity') > '-infinity'))
  and ($9::bigint is null
    or case when f.executiontime ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?$' then f.executiontime::numeric * 1000 >= $9 end)
  and ($10::bigint is null
    or case when f.executiontime ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?$' then f.executiontime::numeric * 1000 <= $10 end)
  and ($11::timestamp is null or (coalesce(f.starttime, '-infinity'), f.flowinstanceid) < ($11, $12::text))
order by coalesce(f.starttime, '-infinity') desc, f.flowinstanceid desc
limit $13
