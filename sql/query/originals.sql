-- query/originals: what an instance is a rerun of, the direct original first; ends where one comes twice
with recursive chain as (
  select f.rerunofflowinstanceid as original, array[f.flowinstanceid] as seen
  from public.flowstate f
  where f.flowinstanceid = $1
  union all
  select f.rerunofflowinstanceid, c.seen || f.flowinstanceid
  from chain c
  join public.flowstate f on f.flowinstanceid = c.original
  where c.original <> '' and c.original <> all (c.seen) and cardinality(c.seen) <= 100
)
select
  f.flowinstanceid, left(f.userid, 1024) as userid, left(f.appname, 1024) as appname, left(f.appversion, 1024) as appversion,
  left(f.flowname, 1024) as flowname, left(f.hostid, 1024) as hostid, left(f.status, 1024) as status, f.starttime, f.endtime,
  left(f.executiontime, 64) as executiontime, left(f.rerunofflowinstanceid, 4096) as rerunofflowinstanceid, f.reruncount,
  left(f.parentflowinstanceid, 4096) as parentflowinstanceid, left(f.parentflowname, 1024) as parentflowname,
  f.flowinput is not null as has_input,
  f.rerunofflowinstanceid = any (c.seen) as comes_again
from chain c
join public.flowstate f on f.flowinstanceid = c.seen[cardinality(c.seen)]
order by cardinality(c.seen)
