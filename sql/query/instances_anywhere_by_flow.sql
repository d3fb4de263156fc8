-- query/instances_anywhere_by_flow: a page of the instances of one flow, by jumps from app to app and from version to version in an index; as instances_anywhere
with recursive apps as (
  select a.app_key, a.userid, a.appname
  from flowtrail.stored_apps a
  where ($1::text is null or a.userid = $1)
    and ($2::text is null or a.appname = $2)
), versions as (
  select a.app_key, a.userid, a.appname, v.version_key
  from apps a
  cross join lateral (
    select f.version_key
    from flowtrail.instances f where f.app_key = a.app_key order by f.version_key limit 1) v
  union all
  select v.app_key, v.userid, v.appname, n.version_key
  from versions v
  cross join lateral (
    select f.version_key
    from flowtrail.instances f
    where f.app_key = v.app_key and f.version_key > v.version_key
    order by f.version_key limit 1) n
)
select
  f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
  f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input
from (
  select p.*
  from (
    select p.*
    from versions v
    cross join lateral (
      select f.started, f.flowinstanceid
      from flowtrail.instances f
      where f.app_key = v.app_key
        and f.version_key = v.version_key
        and f.flow_key = hashtextextended($4, 0)
        and ($5::text is null or f.host_key = hashtextextended($5, 0))
        and case when f.userid = v.userid
            and f.appname = v.appname
            and f.flowname = $4
            and ($3::text is null or f.appversion = $3)
            and ($5::text is null or f.hostid = $5)
            and ($6::text[] is null or f.status = any ($6)) then true end
        and ($7::timestamp is null or f.started >= $7)
        and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
        and ($9::bigint is null or case when f.took_us >= $9 then true end)
        and ($10::bigint is null or case when f.took_us <= $10 then true end)
        and ($11::timestamp is null or (f.started, f.flowinstanceid) < ($11, $12::text))
      order by f.started desc, f.flowinstanceid desc
      limit $13) p
    union all
    (select f.started, f.flowinstanceid
    from flowtrail.instances f
    where (f.userid is null or f.appname is null)
      and ($1::text is null or f.userid = $1)
      and ($2::text is null or f.appname = $2)
      and ($3::text is null or f.appversion = $3)
      and ($4::text is null or f.flowname = $4)
      and ($5::text is null or f.hostid = $5)
      and ($6::text[] is null or f.status = any ($6))
      and ($7::timestamp is null or f.started >= $7)
      and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
      and ($9::bigint is null or case when f.took_us >= $9 then true end)
      and ($10::bigint is null or case when f.took_us <= $10 then true end)
      and ($11::timestamp is null or (f.started, f.flowinstanceid) < ($11, $12::text))
    order by f.started desc, f.flowinstanceid desc
    limit $13)
  ) p
  order by p.started desc, p.flowinstanceid desc
  limit $13
) p
join flowtrail.instances f on f.flowinstanceid = p.flowinstanceid
order by p.started desc, p.flowinstanceid desc
