-- ingest/reruns_keep: notes every original that starts of these instances name, as only one start of an instance is shown
insert into flowtrail.reruns (original, rerun)
select rerunofflowinstanceid, flowinstanceid
from pg_temp.stage_flows
where kind = 1 and rerunofflowinstanceid <> '' and flowinstanceid = any ($1)
union
select rerunofflowinstanceid, flowinstanceid
from flowtrail.attempts
where rerunofflowinstanceid <> '' and flowinstanceid = any ($1)
on conflict (original, rerun) do nothing
