-- query/flows: the flows of an app's version of which instances are stored, on a host or on any, by jumps in an index
with recursive flows as (
  (select f.flow_key, f.flowname
    from flowtrail.instances f
    where f.app_key = hashtextextended($2, hashtextextended($1, 0)) and f.version_key = hashtextextended($3, 0)
    order by f.flow_key limit 1)
  union all
  select n.flow_key, n.flowname
  from flows l
  cross join lateral (
    select f.flow_key, f.flowname
    from flowtrail.instances f
    where f.app_key = hashtextextended($2, hashtextextended($1, 0)) and f.version_key = hashtextextended($3, 0)
      and f.flow_key > l.flow_key
    order by f.flow_key limit 1) n
)
select l.flowname
from flows l
where l.flowname is not null
  -- the newest on the host: a plain question whether there is one may end in a scan
  and ($4::text is null or (
    select true
    from flowtrail.instances f
    where f.app_key = hashtextextended($2, hashtextextended($1, 0)) and f.version_key = hashtextextended($3, 0)
      and f.flow_key = l.flow_key and f.host_key = hashtextextended($4, 0)
    order by f.started desc, f.flowinstanceid desc limit 1))
order by l.flowname
