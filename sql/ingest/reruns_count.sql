-- ingest/reruns_count: counts the stored reruns of these originals, never below what is stored
update public.flowstate f
set reruncount = n.reruns
from (
  select o.flowinstanceid, greatest(coalesce(o.reruncount, 0), (
    select count(*)::integer
    from (
      select r.flowinstanceid from public.flowstate r
      where r.rerunofflowinstanceid = o.flowinstanceid and r.rerunofflowinstanceid <> ''
      union
      select r.rerun from flowtrail.reruns r where r.original = o.flowinstanceid
    ) named)) as reruns
  from public.flowstate o
  where o.flowinstanceid = any ($1)
) n
where f.flowinstanceid = n.flowinstanceid and f.reruncount is distinct from n.reruns
