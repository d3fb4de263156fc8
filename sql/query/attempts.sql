-- query/attempts: the attempts of an instance, the first one first, with the steps that began in each; what began before the second belongs to the first, and what was cut for an attempt that has not begun to the last
select
  f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
  f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input,
  f.number, s.own_steps, s.first_own_step
from flowtrail.numbered_attempts f
cross join lateral (
  select count(distinct v.number) as own_steps, min(v.number) as first_own_step
  from flowtrail.step_versions v
  where v.flowinstanceid = $1
    and (f.number = 1 or v.started >= f.starttime)
    and (f.newest or v.started < f.next_start)
    and v.number <= 2147483647
) s
where f.flowinstanceid = $1
order by f.number
limit 1000
