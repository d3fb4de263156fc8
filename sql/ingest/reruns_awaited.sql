-- ingest/reruns_awaited: which of these instances are originals of reruns that were noted before them
select distinct r.original
from flowtrail.reruns r
where r.original = any ($1)
