-- ingest/place_once: forgets past steps of these instances that are current
delete from flowtrail.past_steps p
using public.steps s
where p.flowinstanceid = any ($1)
  and s.flowinstanceid = p.flowinstanceid and s.stepid = p.stepid and s.starttime = p.starttime
  and (coalesce(s.endtime, '-infinity'), row(s.stepdata, s.taskname, s.status, s.flowname, s.subflowid, s.misc, s.rerun, s.parentstepid)::record)
    >= (coalesce(p.endtime, '-infinity'), row(p.stepdata, p.taskname, p.status, p.flowname, p.subflowid, p.misc, p.rerun, p.parentstepid)::record)
