-- ingest/reruns_awaited: which staged instances are originals of reruns that were stored before them
select distinct a.original
from flowtrail.awaited_originals a
join pg_temp.stage_flows s on s.flowinstanceid = a.original
