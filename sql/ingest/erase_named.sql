-- ingest/erase_named: the originals that these instances name, and who names them
select rerunofflowinstanceid as original, flowinstanceid as rerun
from public.flowstate
where flowinstanceid = any ($1) and rerunofflowinstanceid <> ''
union
select original, rerun from flowtrail.reruns where rerun = any ($1)
