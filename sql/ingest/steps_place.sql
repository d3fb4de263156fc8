-- ingest/steps_place: marks staged steps that a rerun has cut, or whose instance was deleted after they began
update pg_temp.stage_steps s
set place = p.place
from (
  select o.ord, max(case when c.kind = 'deleted' then 2 else 1 end) as place
  from pg_temp.stage_steps o
  join flowtrail.cuts c using (flowinstanceid)
  where flowinstanceid = any ($1)
    and o.starttime < c.cut_at
    and (c.kind = 'deleted' or o.stepid::integer >= c.fromstep)
  group by o.ord
) p
where s.ord = p.ord
