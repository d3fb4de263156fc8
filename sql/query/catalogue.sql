-- query/catalogue: users, apps, versions and flows of which instances are stored, by jumps in an index; $1 a user, $2 an app, or null
with recursive users as (
  select coalesce($1::text, (select f.userid from public.flowstate f order by f.userid limit 1)) as userid
  union all
  select (select n.userid from public.flowstate n where n.userid > u.userid order by n.userid limit 1)
  from users u
  where $1::text is null and u.userid is not null
), apps as (
  select
    u.userid,
    coalesce($2::text, (select f.appname from public.flowstate f where f.userid = u.userid order by f.appname limit 1)) as appname
  from users u
  where u.userid is not null
  union all
  select
    a.userid,
    (select n.appname from public.flowstate n where n.userid = a.userid and n.appname > a.appname order by n.appname limit 1)
  from apps a
  where $2::text is null and a.appname is not null
), versions as (
  select a.userid, a.appname, v.appversion
  from apps a
  cross join lateral (
    select f.appversion from public.flowstate f
    where f.userid = a.userid and f.appname = a.appname order by f.appversion limit 1) v
  union all
  select v.userid, v.appname, (
    select n.appversion from public.flowstate n
    where n.userid = v.userid and n.appname = v.appname and n.appversion > v.appversion
    order by n.appversion limit 1)
  from versions v
  where v.appversion is not null
), flows as (
  select v.userid, v.appname, v.appversion, l.flowname
  from versions v
  cross join lateral (
    select f.flowname from public.flowstate f
    where f.userid = v.userid and f.appname = v.appname and f.appversion = v.appversion order by f.flowname limit 1) l
  union all
  select l.userid, l.appname, l.appversion, (
    select n.flowname from public.flowstate n
    where n.userid = l.userid and n.appname = l.appname and n.appversion = l.appversion and n.flowname > l.flowname
    order by n.flowname limit 1)
  from flows l
  where l.flowname is not null
)
select l.userid, l.appname, l.appversion, l.flowname
from flows l
where l.flowname is not null
order by l.userid, l.appname, l.appversion, l.flowname
limit $3
