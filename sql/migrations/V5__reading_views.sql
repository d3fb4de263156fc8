-- V5 reading_views: what the reading statements share; texts that any client sent are shown cut, so that a page stays small
-- `started` is the expression of the indexes, or they are not used; casts to text, as an older service's columns may be varchar
create view flowtrail.instances as
  select
    f.flowinstanceid,
    f.userid,
    f.appname,
    f.appversion,
    f.flowname,
    f.hostid,
    f.status,
    f.starttime,
    f.endtime,
    f.rerunofflowinstanceid,
    f.reruncount,
    coalesce(f.starttime, '-infinity') as started,
    case when f.executiontime ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?$' then f.executiontime::numeric * 1000 end as took_us,
    left(f.userid, 1024) as shown_user,
    left(f.appname, 1024) as shown_app,
    left(f.appversion, 1024) as shown_version,
    left(f.flowname, 1024) as shown_flow,
    left(f.hostid, 1024) as shown_host,
    left(f.status, 1024) as shown_status,
    left(f.executiontime, 64) as shown_time,
    left(f.rerunofflowinstanceid, 4096) as shown_original,
    left(f.parentflowinstanceid, 4096) as shown_parent,
    left(f.parentflowname, 1024) as shown_parent_flow,
    f.flowinput is not null as has_input
  from public.flowstate f;
comment on view flowtrail.instances is
  'the newest attempt of each instance without its payloads: raw columns to choose by, bounded ones to show';
comment on column flowtrail.instances.took_us is 'executiontime in µs; null when it is no number';

create view flowtrail.numbered_attempts as
  select
    a.flowinstanceid,
    a.starttime,
    a.endtime,
    a.reruncount,
    a.flowinput,
    a.flowoutput,
    a.newest,
    row_number() over earlier as number,
    count(*) over (partition by a.flowinstanceid) as attempts,
    lead(a.starttime) over earlier as next_start,
    left(a.userid, 1024) as shown_user,
    left(a.appname, 1024) as shown_app,
    left(a.appversion, 1024) as shown_version,
    left(a.flowname, 1024) as shown_flow,
    left(a.hostid, 1024) as shown_host,
    left(a.status, 1024) as shown_status,
    left(a.executiontime, 64) as shown_time,
    left(a.rerunofflowinstanceid, 4096) as shown_original,
    left(a.parentflowinstanceid, 4096) as shown_parent,
    left(a.parentflowname, 1024) as shown_parent_flow,
    a.flowinput is not null as has_input
  from (
    select
      p.flowinstanceid, p.userid, p.appname, p.appversion, p.flowname, p.hostid, p.starttime, p.endtime, p.executiontime, p.status,
      p.parentflowinstanceid, p.parentflowname, p.rerunofflowinstanceid, p.flowinput, p.flowoutput, p.reruncount,
      false as newest
    from flowtrail.past_flowstate p
    union all
    select
      f.flowinstanceid::text, f.userid, f.appname, f.appversion, f.flowname, f.hostid, f.starttime, f.endtime, f.executiontime, f.status,
      f.parentflowinstanceid, f.parentflowname, f.rerunofflowinstanceid, f.flowinput, f.flowoutput, f.reruncount,
      true
    from public.flowstate f
  ) a
  window earlier as (partition by a.flowinstanceid order by a.newest, a.starttime);
comment on view flowtrail.numbered_attempts is
  'every attempt of each instance, from 1 by start time; to be read by flowinstanceid, as nothing else reaches an index';
comment on column flowtrail.numbered_attempts.next_start is 'the start time of the attempt after it';

create view flowtrail.step_versions as
  select
    v.flowinstanceid,
    v.stepid,
    case when v.stepid ~ '^(0|[1-9][0-9]{0,9})$' then v.stepid::bigint end as number,
    v.starttime,
    coalesce(v.starttime, '-infinity') as started,
    v.endtime,
    v.rerun,
    v.stepdata,
    v.past,
    left(v.taskname, 1024) as shown_task,
    left(v.status, 1024) as shown_status,
    left(v.flowname, 1024) as shown_flow,
    left(v.subflowid, 1024) as shown_subflow,
    coalesce(octet_length(v.stepdata), 0)::bigint as bytes
  from (
    select
      s.flowinstanceid::text, s.stepid::text, s.taskname::text, s.status::text, s.starttime, s.endtime, s.stepdata,
      s.flowname::text, s.subflowid::text, s.rerun, false as past
    from public.steps s
    union all
    select
      p.flowinstanceid, p.stepid, p.taskname, p.status, p.starttime, p.endtime, p.stepdata,
      p.flowname, p.subflowid, p.rerun, true
    from flowtrail.past_steps p
  ) v;
comment on view flowtrail.step_versions is 'every stored record of each step: the current one, and those that are past';
comment on column flowtrail.step_versions.number is 'stepid; null when it is no number';

update flowtrail.meta set schema_version = 5;
