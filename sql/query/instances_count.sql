-- query/instances_count: how many of instances_at there are, counted up to a limit
select count(*) as found
from (
  select from public.flowstate f
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
  -- without an order the planner may hope to find enough soon, and read the whole table
  order by coalesce(f.starttime, '-infinity') desc, f.flowinstanceid desc
  limit $11
) f
