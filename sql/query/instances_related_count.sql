-- query/instances_related_count: how many of instances_related there are, counted up to a limit
with related as materialized (
  select f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.status, f.started, f.took_us
  from flowtrail.instances f
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
    and ($7::timestamp is null or f.started >= $7)
    and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
    and ($9::bigint is null or case when f.took_us >= $9 then true end)
    and ($10::bigint is null or case when f.took_us <= $10 then true end)
  limit $13
) f
