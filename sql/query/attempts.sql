-- query/attempts: the attempts of an instance, the first one first, with the steps that began in each; what began before the second belongs to the first, and what was cut for an attempt that has not begun to the last
with attempts as (
  select
    p.flowinstanceid, p.userid, p.appname, p.appversion, p.flowname, p.hostid, p.starttime, p.endtime,
    p.executiontime, p.status, p.parentflowinstanceid, p.parentflowname, p.rerunofflowinstanceid, p.flowinput, p.flowoutput, p.reruncount,
    false as newest
  from flowtrail.past_flowstate p
  where p.flowinstanceid = $1
  union all
  select
    f.flowinstanceid, f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.starttime, f.endtime,
    f.executiontime, f.status, f.parentflowinstanceid, f.parentflowname, f.rerunofflowinstanceid, f.flowinput, f.flowoutput, f.reruncount,
    true
  from public.flowstate f
  where f.flowinstanceid = $1
), numbered as (
  select a.*,
    row_number() over earlier as number,
    count(*) over () as attempts,
    lead(a.starttime) over earlier as next_start
  from attempts a
  window earlier as (order by a.newest, a.starttime)
), versions as (
  select s.stepid, coalesce(s.starttime, '-infinity') as starttime
  from public.steps s
  where s.flowinstanceid = $1
  union all
  select p.stepid, p.starttime
  from flowtrail.past_steps p
  where p.flowinstanceid = $1
), own as (
  select case when v.stepid ~ '^(0|[1-9][0-9]{0,9})$' then v.stepid::bigint end as step, v.starttime
  from versions v
)
select
  f.flowinstanceid, left(f.userid, 1024) as userid, left(f.appname, 1024) as appname, left(f.appversion, 1024) as appversion,
  left(f.flowname, 1024) as flowname, left(f.hostid, 1024) as hostid, left(f.status, 1024) as status, f.starttime, f.endtime,
  left(f.executiontime, 64) as executiontime, left(f.rerunofflowinstanceid, 4096) as rerunofflowinstanceid, f.reruncount,
  left(f.parentflowinstanceid, 4096) as parentflowinstanceid, left(f.parentflowname, 1024) as parentflowname,
  f.flowinput is not null as has_input,
  f.number, s.own_steps, s.first_own_step
from numbered f
cross join lateral (
  select count(distinct o.step) as own_steps, min(o.step) as first_own_step
  from own o
  where (f.number = 1 or o.starttime >= f.starttime)
    and (f.newest or o.starttime < f.next_start)
    and o.step <= 2147483647
) s
order by f.number
limit 1000
