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
  f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
  f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input,
  f.rerunofflowinstanceid = any (c.seen) as comes_again
from chain c
join flowtrail.instances f on f.flowinstanceid = c.seen[cardinality(c.seen)]
order by cardinality(c.seen)
