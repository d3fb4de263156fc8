-- ingest/reruns_counted: forgets what was noted of stored originals where the rerun shows it; a rerun that is being written may show something else soon
with shown as (
  select n.original, n.rerun
  from flowtrail.reruns n
  join public.flowstate r on r.flowinstanceid = n.rerun and r.rerunofflowinstanceid = n.original
  where n.original = any ($1)
    and exists (select from public.flowstate f where f.flowinstanceid = n.original)
  for share of r skip locked
)
delete from flowtrail.reruns n
using shown s
where n.original = s.original and n.rerun = s.rerun
