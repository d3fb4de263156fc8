-- query/instances_anywhere_by_status: a page of the instances with any of some statuses without `Completed`, by jumps from app to app in an index; as instances_of_app, but user and app may be null
with apps as materialized (
  select a.app_key, a.userid, a.appname
  from flowtrail.stored_apps a
  where ($1::text is null or a.userid = $1)
    and ($2::text is null or a.appname = $2)
)
select f.*
from (
  select p.*
  from apps a
  cross join unnest($6::text[]) s (status)
  cross join lateral (
    select
      f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
      f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input
    from flowtrail.instances f
    where f.app_key = a.app_key
      and ($3::text is null or f.version_key = hashtextextended($3, 0))
      and ($4::text is null or f.flow_key = hashtextextended($4, 0))
      and ($5::text is null or f.host_key = hashtextextended($5, 0))
      and f.status <> 'Completed'
      and f.status_key = hashtextextended(s.status, 0)
      and case when f.userid = a.userid
          and f.appname = a.appname
          and ($3::text is null or f.appversion = $3)
          and ($4::text is null or f.flowname = $4)
          and ($5::text is null or f.hostid = $5)
          and f.status = s.status then true end
      and ($7::timestamp is null or f.started >= $7)
      and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
      and ($9::bigint is null or case when f.took_us >= $9 then true end)
      and ($10::bigint is null or case when f.took_us <= $10 then true end)
      and ($11::timestamp is null or (f.started, f.flowinstanceid) < ($11, $12::text))
    order by f.started desc, f.flowinstanceid desc
    limit $13) p
  union all
  (select
    f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
    f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input
  from flowtrail.instances f
  where (f.userid is null or f.appname is null)
    and ($1::text is null or f.userid = $1)
    and ($2::text is null or f.appname = $2)
    and ($3::text is null or f.appversion = $3)
    and ($4::text is null or f.flowname = $4)
    and ($5::text is null or f.hostid = $5)
    and f.status = any ($6)
    and ($7::timestamp is null or f.started >= $7)
    and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
    and ($9::bigint is null or case when f.took_us >= $9 then true end)
    and ($10::bigint is null or case when f.took_us <= $10 then true end)
    and ($11::timestamp is null or (f.started, f.flowinstanceid) < ($11, $12::text))
  order by f.started desc, f.flowinstanceid desc
  limit $13)
) f
order by coalesce(f.starttime, '-infinity') desc, f.flowinstanceid desc
limit $13
