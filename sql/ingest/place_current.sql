-- ingest/place_current: brings back past steps of these instances that no cut covers any more and no later record replaces
with back as (
  select distinct on (p.flowinstanceid, p.stepid) p.*
  from flowtrail.past_steps p
  where p.flowinstanceid = any ($1)
    and not exists (
      select from flowtrail.cuts c
      where c.flowinstanceid = p.flowinstanceid and c.kind <> 'deleted'
        and p.stepid::integer >= c.fromstep and p.starttime < c.cut_at)
    and not exists (
      select from public.steps s
      where s.flowinstanceid = p.flowinstanceid and s.stepid = p.stepid and s.starttime >= p.starttime)
  order by p.flowinstanceid, p.stepid, p.starttime desc
), gone as (
  delete from flowtrail.past_steps p
  using back b
  where p.flowinstanceid = b.flowinstanceid and p.stepid = b.stepid and p.starttime = b.starttime
), replaced as (
  insert into flowtrail.past_steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
  select s.flowinstanceid, s.stepid, s.taskname, s.status, s.starttime, s.endtime, s.stepdata, s.flowname, s.subflowid, s.misc, s.rerun, s.parentstepid
  from public.steps s
  join back b using (flowinstanceid, stepid)
  on conflict (flowinstanceid, stepid, starttime) do nothing
)
insert into public.steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
select flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid
from back
on conflict (flowinstanceid, stepid) do update
set taskname = excluded.taskname, status = excluded.status, starttime = excluded.starttime, endtime = excluded.endtime,
  stepdata = excluded.stepdata, flowname = excluded.flowname, subflowid = excluded.subflowid, misc = excluded.misc,
  rerun = excluded.rerun, parentstepid = excluded.parentstepid
