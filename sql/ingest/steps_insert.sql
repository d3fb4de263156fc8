-- ingest/steps_insert: stores the newest staged record of each step that is not stored yet, and takes it from the stage; answers with the first ord, the rows staged and the rows stored
with newest as (
  select distinct on (flowinstanceid, stepid) s.*
  from pg_temp.stage_steps s
  where place < 1
  order by flowinstanceid, stepid, starttime desc, coalesce(endtime, '-infinity') desc,
    row(stepdata, taskname, status, flowname, subflowid, misc, rerun, parentstepid)::record desc
), stored as (
  insert into public.steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
  select flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid
  from newest
  on conflict (flowinstanceid, stepid) do nothing
  returning flowinstanceid, stepid
), taken as (
  -- nobody asks which ones when all were stored
  delete from pg_temp.stage_steps s
  using newest n, stored t
  where (select count(*) from stored) < (select count(*) from pg_temp.stage_steps)
    and n.flowinstanceid = t.flowinstanceid and n.stepid = t.stepid and s.ord = n.ord
)
select
  (select coalesce(min(ord), 0) from pg_temp.stage_steps) as first,
  (select count(*) from pg_temp.stage_steps) as staged,
  (select count(*) from stored) as stored
