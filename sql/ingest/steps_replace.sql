-- ingest/steps_replace: replaces stored records by later staged ones, and takes those from the stage
with newest as (
  select distinct on (flowinstanceid, stepid) s.*
  from pg_temp.stage_steps s
  where place < 1
  order by flowinstanceid, stepid, starttime desc, coalesce(endtime, '-infinity') desc,
    row(stepdata, taskname, status, flowname, subflowid, misc, rerun, parentstepid)::record desc
), replaced as (
  update public.steps t
  set taskname = n.taskname, status = n.status, starttime = n.starttime, endtime = n.endtime, stepdata = n.stepdata,
    flowname = n.flowname, subflowid = n.subflowid, misc = n.misc, rerun = n.rerun, parentstepid = n.parentstepid
  from newest n
  where t.flowinstanceid = n.flowinstanceid and t.stepid = n.stepid
    and (n.starttime, coalesce(n.endtime, '-infinity'), row(n.stepdata, n.taskname, n.status, n.flowname, n.subflowid, n.misc, n.rerun, n.parentstepid)::record)
      > (t.starttime, coalesce(t.endtime, '-infinity'), row(t.stepdata, t.taskname, t.status, t.flowname, t.subflowid, t.misc, t.rerun, t.parentstepid)::record)
  returning n.ord
)
delete from pg_temp.stage_steps s using replaced r where s.ord = r.ord
