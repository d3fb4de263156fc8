-- V8 fewer_entries: an instance has four entries in the indexes of flowstate instead of six, and one that completed at once none for its status
-- the index of flows has the version before the flow, so that it also tells what there are instances of; a name that is null has the number 0 there, as jumps from number to number do not come to null
drop index if exists
  public.flowtrail_flowstate_by_version,
  public.flowtrail_flowstate_by_flow,
  public.flowtrail_flowstate_by_status,
  public.flowtrail_flowstate_by_names;

create or replace view flowtrail.instances as
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
    f.flowinput is not null as has_input,
    hashtextextended(f.appname, hashtextextended(f.userid, 0)) as app_key,
    coalesce(hashtextextended(f.appversion, 0), 0) as version_key,
    coalesce(hashtextextended(f.flowname, 0), 0) as flow_key,
    hashtextextended(f.hostid, 0) as host_key,
    hashtextextended(f.status, 0) as status_key
  from public.flowstate f;

update flowtrail.meta set schema_version = 8;
