-- ingest/reruns_awaited: which staged instances are originals of reruns that were noted before them
select distinct r.original
from flowtrail.reruns r
join pg_temp.stage_flows s on s.flowinstanceid = r.original
