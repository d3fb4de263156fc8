-- ingest/place_past: moves the stored steps of these instances that are cut to the past steps
with cut as (
  delete from public.steps s
  where s.flowinstanceid = any ($1)
    and exists (
      select from flowtrail.cuts c
      where c.flowinstanceid = s.flowinstanceid and c.kind <> 'deleted'
        and case when s.stepid ~ '^[0-9]{1,9}$' then s.stepid::integer >= c.fromstep end and s.starttime < c.cut_at)
  returning s.flowinstanceid, s.stepid, s.taskname, s.status, s.starttime, s.endtime, s.stepdata, s.flowname, s.subflowid, s.misc, s.rerun, s.parentstepid
)
insert into flowtrail.past_steps as p (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
select flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid
from cut
on conflict (flowinstanceid, stepid, starttime) do update
set taskname = excluded.taskname, status = excluded.status, endtime = excluded.endtime, stepdata = excluded.stepdata,
  flowname = excluded.flowname, subflowid = excluded.subflowid, misc = excluded.misc, rerun = excluded.rerun,
  parentstepid = excluded.parentstepid
where (coalesce(excluded.endtime, '-infinity'), row(excluded.stepdata, excluded.taskname, excluded.status, excluded.flowname, excluded.subflowid, excluded.misc, excluded.rerun, excluded.parentstepid)::record)
  > (coalesce(p.endtime, '-infinity'), row(p.stepdata, p.taskname, p.status, p.flowname, p.subflowid, p.misc, p.rerun, p.parentstepid)::record)
