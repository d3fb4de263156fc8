-- query/versions: the versions of an app of which instances are stored, by jumps in an index
with recursive versions as (
  (select f.appversion from public.flowstate f where f.userid = $1 and f.appname = $2 order by f.appversion limit 1)
  union all
  select (
    select n.appversion from public.flowstate n
    where n.userid = $1 and n.appname = $2 and n.appversion > v.appversion
    order by n.appversion limit 1)
  from versions v
  where v.appversion is not null
)
select v.appversion from versions v where v.appversion is not null order by v.appversion
