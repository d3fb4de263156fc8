-- ingest/steps_left: the staged steps for which nothing was stored, and whether one of them found no stored record at all
select s.ord, s.place = 0 and not exists (
  select from public.steps t where t.flowinstanceid = s.flowinstanceid and t.stepid = s.stepid
) as adrift
from pg_temp.stage_steps s
where s.place <> 1
order by s.ord
