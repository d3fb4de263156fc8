-- ingest/reruns_originals: the originals that staged starts name
select distinct rerunofflowinstanceid as original
from pg_temp.stage_flows
where kind = 1 and rerunofflowinstanceid <> ''
