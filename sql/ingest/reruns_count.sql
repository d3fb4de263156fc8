-- ingest/reruns_count: counts the stored reruns of these locked originals, never below what is stored, and forgets what was noted where the rerun shows it; in one statement, so that nothing is forgotten that was not counted; a rerun that is being written may show something else soon
with shown as (
  select n.original, n.rerun
  from flowtrail.reruns n
  join public.flowstate r on r.flowinstanceid = n.rerun and r.rerunofflowinstanceid = n.original
  where n.original = any ($1)
  for share of r skip locked
), forgotten as (
  delete from flowtrail.reruns n
  using shown s
  where n.original = s.original and n.rerun = s.rerun
)
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
