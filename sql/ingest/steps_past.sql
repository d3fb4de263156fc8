-- ingest/steps_past: keeps every record that a later one replaces, and every staged one that is cut or late, among the past steps
with versions as (
  select flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid, place
  from pg_temp.stage_steps
  where place < 2
  union all
  select flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid, 0
  from public.steps t
  where (t.flowinstanceid, t.stepid) in (select flowinstanceid, stepid from pg_temp.stage_steps where place < 2)
), placed as (
  select v.*, max(starttime) filter (where place = 0) over (partition by flowinstanceid, stepid) as newest
  from versions v
)
insert into flowtrail.past_steps as p (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
select distinct on (flowinstanceid, stepid, starttime)
  flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid
from placed
where place = 1 or starttime < newest
order by flowinstanceid, stepid, starttime, coalesce(endtime, '-infinity') desc,
  row(stepdata, taskname, status, flowname, subflowid, misc, rerun, parentstepid)::record desc
on conflict (flowinstanceid, stepid, starttime) do update
set taskname = excluded.taskname, status = excluded.status, endtime = excluded.endtime, stepdata = excluded.stepdata,
  flowname = excluded.flowname, subflowid = excluded.subflowid, misc = excluded.misc, rerun = excluded.rerun,
  parentstepid = excluded.parentstepid
where (coalesce(excluded.endtime, '-infinity'), row(excluded.stepdata, excluded.taskname, excluded.status, excluded.flowname, excluded.subflowid, excluded.misc, excluded.rerun, excluded.parentstepid)::record)
  > (coalesce(p.endtime, '-infinity'), row(p.stepdata, p.taskname, p.status, p.flowname, p.subflowid, p.misc, p.rerun, p.parentstepid)::record)
