-- query/instances_of_flow: a page of the instances of one flow of an app, by jumps from version to version in an index; as instances_of_app
with recursive versions as (
  (select f.version_key
    from flowtrail.instances f
    where f.app_key = hashtextextended($2, hashtextextended($1, 0))
    order by f.version_key limit 1)
  union all
  select n.version_key
  from versions v
  cross join lateral (
    select f.version_key
    from flowtrail.instances f
    where f.app_key = hashtextextended($2, hashtextextended($1, 0)) and f.version_key > v.version_key
    order by f.version_key limit 1) n
)
select f.*
from versions v
cross join lateral (
  select
    f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
    f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input
  from flowtrail.instances f
  where f.app_key = hashtextextended($2, hashtextextended($1, 0))
    and f.version_key = v.version_key
    and f.flow_key = hashtextextended($4, 0)
    and ($5::text is null or f.host_key = hashtextextended($5, 0))
    and case when f.userid = $1
        and f.appname = $2
        and ($3::text is null or f.appversion = $3)
        and f.flowname = $4
        and ($5::text is null or f.hostid = $5)
        and ($6::text[] is null or f.status = any ($6)) then true end
    and ($7::timestamp is null or f.started >= $7)
    and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
    and ($9::bigint is null or case when f.took_us >= $9 then true end)
    and ($10::bigint is null or case when f.took_us <= $10 then true end)
    and ($11::timestamp is null or (f.started, f.flowinstanceid) < ($11, $12::text))
  order by f.started desc, f.flowinstanceid desc
  limit $13) f
order by coalesce(f.starttime, '-infinity') desc, f.flowinstanceid desc
limit $13
