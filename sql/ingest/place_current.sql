-- ingest/place_current: makes the latest past step of a number current again when no cut covers it any more; what a writer stores meanwhile is left to the next sweep
with back as (
  select distinct on (p.flowinstanceid, p.stepid) p.*
  from flowtrail.past_steps p
  where p.flowinstanceid = any ($1)
    and not exists (
      select from flowtrail.cuts c
      where c.flowinstanceid = p.flowinstanceid and c.kind <> 'deleted'
        and case when p.stepid ~ '^[0-9]{1,9}$' then p.stepid::integer >= c.fromstep end and p.starttime < c.cut_at)
  order by p.flowinstanceid, p.stepid, p.starttime desc
), locked as (
  select s.flowinstanceid, s.stepid, s.taskname, s.status, s.starttime, s.endtime, s.stepdata, s.flowname, s.subflowid, s.misc, s.rerun, s.parentstepid
  from public.steps s
  join back b using (flowinstanceid, stepid)
  where (b.starttime, coalesce(b.endtime, '-infinity'), row(b.stepdata, b.taskname, b.status, b.flowname, b.subflowid, b.misc, b.rerun, b.parentstepid)::record)
    > (s.starttime, coalesce(s.endtime, '-infinity'), row(s.stepdata, s.taskname, s.status, s.flowname, s.subflowid, s.misc, s.rerun, s.parentstepid)::record)
  order by s.flowinstanceid, s.stepid
  for no key update of s
), kept as (
  insert into flowtrail.past_steps as p (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
  select l.flowinstanceid, l.stepid, l.taskname, l.status, l.starttime, l.endtime, l.stepdata, l.flowname, l.subflowid, l.misc, l.rerun, l.parentstepid
  from locked l
  join back b using (flowinstanceid, stepid)
  where l.starttime < b.starttime
  on conflict (flowinstanceid, stepid, starttime) do update
  set taskname = excluded.taskname, status = excluded.status, endtime = excluded.endtime, stepdata = excluded.stepdata,
    flowname = excluded.flowname, subflowid = excluded.subflowid, misc = excluded.misc, rerun = excluded.rerun,
    parentstepid = excluded.parentstepid
  where (coalesce(excluded.endtime, '-infinity'), row(excluded.stepdata, excluded.taskname, excluded.status, excluded.flowname, excluded.subflowid, excluded.misc, excluded.rerun, excluded.parentstepid)::record)
    > (coalesce(p.endtime, '-infinity'), row(p.stepdata, p.taskname, p.status, p.flowname, p.subflowid, p.misc, p.rerun, p.parentstepid)::record)
), replaced as (
  update public.steps t
  set taskname = b.taskname, status = b.status, starttime = b.starttime, endtime = b.endtime, stepdata = b.stepdata,
    flowname = b.flowname, subflowid = b.subflowid, misc = b.misc, rerun = b.rerun, parentstepid = b.parentstepid
  from back b
  join locked l using (flowinstanceid, stepid)
  where t.flowinstanceid = b.flowinstanceid and t.stepid = b.stepid
)
insert into public.steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
select flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid
from back b
where not exists (
  select from public.steps s where s.flowinstanceid = b.flowinstanceid and s.stepid = b.stepid)
order by flowinstanceid, stepid
on conflict (flowinstanceid, stepid) do nothing
