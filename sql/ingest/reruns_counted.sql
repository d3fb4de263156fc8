-- ingest/reruns_counted: forgets what was awaited of originals that are stored and counted
delete from flowtrail.awaited_originals a
where a.original = any ($1)
  and exists (select from public.flowstate f where f.flowinstanceid = a.original)
