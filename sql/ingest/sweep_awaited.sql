-- ingest/sweep_awaited: originals that were not stored when their reruns were, and are now
select distinct a.original
from flowtrail.awaited_originals a
where a.noted_at > now() - interval '2 minutes'
  and exists (select from public.flowstate f where f.flowinstanceid = a.original)
order by a.original
