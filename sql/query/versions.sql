-- query/versions: the versions of an app of which instances are stored, by jumps in an index
with recursive versions as (
  (select f.version_key, f.appversion
    from flowtrail.instances f where f.app_key = hashtextextended($2, hashtextextended($1, 0)) order by f.version_key limit 1)
  union all
  select n.version_key, n.appversion
  from versions v
  cross join lateral (
    select f.version_key, f.appversion
    from flowtrail.instances f
    where f.app_key = hashtextextended($2, hashtextextended($1, 0)) and f.version_key > v.version_key
    order by f.version_key limit 1) n
)
select v.appversion from versions v where v.appversion is not null order by v.appversion
