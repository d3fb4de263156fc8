-- ingest/steps_place: marks staged steps that a rerun has cut, or whose instance was deleted after they began
update pg_temp.stage_steps s
set place = case when c.deleted then 2 else 1 end
from (
  select flowinstanceid, kind = 'deleted' as deleted, fromstep, cut_at
  from flowtrail.cuts
  where flowinstanceid = any ($1)
) c
where s.flowinstanceid = c.flowinstanceid
  and s.starttime < c.cut_at
  and (c.deleted or s.stepid::integer >= c.fromstep)
  and s.place < case when c.deleted then 2 else 1 end
