-- V6 short_keys: numbers that stand for names in the indexes of flowstate, as entries of texts cost twice as much to make
-- two names may share a number, so statements compare names as well
drop index if exists
  public.flowtrail_flowstate_of_app,
  public.flowtrail_flowstate_of_version,
  public.flowtrail_flowstate_of_flow,
  public.flowtrail_flowstate_of_host,
  public.flowtrail_flowstate_of_status,
  public.flowtrail_flowstate_names;

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
    hashtextextended(f.appversion, 0) as version_key,
    hashtextextended(f.flowname, 0) as flow_key,
    hashtextextended(f.hostid, 0) as host_key,
    hashtextextended(f.status, 0) as status_key
  from public.flowstate f;

create view flowtrail.stored_apps as
  with recursive apps as (
    (select f.app_key, f.userid, f.appname
      from flowtrail.instances f where f.app_key is not null order by f.app_key limit 1)
    union all
    select n.app_key, n.userid, n.appname
    from apps a
    cross join lateral (
      select f.app_key, f.userid, f.appname
      from flowtrail.instances f where f.app_key > a.app_key order by f.app_key limit 1) n
  )
  select a.app_key, a.userid, a.appname from apps a;
comment on view flowtrail.stored_apps is 'apps of which instances are stored, found by jumps in an index';

update flowtrail.meta set schema_version = 6;
