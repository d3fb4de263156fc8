-- query/catalogue: users, apps, versions and flows of which instances are stored, by jumps in an index; $1 a user, $2 an app, or null
with recursive apps as (
  select a.app_key, a.userid, a.appname
  from flowtrail.stored_apps a
  where ($1::text is null or a.userid = $1)
    and ($2::text is null or a.appname = $2)
), versions as (
  select a.app_key, a.userid, a.appname, v.version_key, v.appversion
  from apps a
  cross join lateral (
    select f.version_key, f.appversion
    from flowtrail.instances f where f.app_key = a.app_key order by f.version_key limit 1) v
  union all
  select v.app_key, v.userid, v.appname, n.version_key, n.appversion
  from versions v
  cross join lateral (
    select f.version_key, f.appversion
    from flowtrail.instances f
    where f.app_key = v.app_key and f.version_key > v.version_key
    order by f.version_key limit 1) n
), flows as (
  select v.app_key, v.userid, v.appname, v.version_key, v.appversion, l.flow_key, l.flowname
  from versions v
  cross join lateral (
    select f.flow_key, f.flowname
    from flowtrail.instances f
    where f.app_key = v.app_key and f.version_key = v.version_key
    order by f.flow_key limit 1) l
  union all
  select l.app_key, l.userid, l.appname, l.version_key, l.appversion, n.flow_key, n.flowname
  from flows l
  cross join lateral (
    select f.flow_key, f.flowname
    from flowtrail.instances f
    where f.app_key = l.app_key and f.version_key = l.version_key and f.flow_key > l.flow_key
    order by f.flow_key limit 1) n
)
select l.userid, l.appname, l.appversion, l.flowname
from flows l
where l.appversion is not null
  and l.flowname is not null
order by l.userid, l.appname, l.appversion, l.flowname
limit $3
