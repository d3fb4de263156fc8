-- query/flows: the flows of an app's version of which instances are stored, on a host or on any, by jumps in an index
with recursive flows as (
  (select f.flowname from public.flowstate f
    where f.userid = $1 and f.appname = $2 and f.appversion = $3 order by f.flowname limit 1)
  union all
  select (
    select n.flowname from public.flowstate n
    where n.userid = $1 and n.appname = $2 and n.appversion = $3 and n.flowname > l.flowname
    order by n.flowname limit 1)
  from flows l
  where l.flowname is not null
)
select l.flowname
from flows l
where l.flowname is not null
  -- the next host from this one on: a plain question whether it is there may end in a scan
  and ($4::text is null or $4 = (
    select f.hostid from public.flowstate f
    where f.userid = $1 and f.appname = $2 and f.appversion = $3 and f.flowname = l.flowname and f.hostid >= $4
    order by f.hostid limit 1))
order by l.flowname
