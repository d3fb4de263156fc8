-- ingest/owners_find: the apps that instances are of, from what is stored of them, else from a start that was skipped
select distinct on (o.flowinstanceid) o.flowinstanceid, o.userid, o.appname
from (
  select f.flowinstanceid, f.userid, f.appname, 0 as turn
  from public.flowstate f
  where f.flowinstanceid = any ($1::text[]) and f.userid is not null and f.appname is not null
  union all
  select s.flowinstanceid, s.userid, s.appname, 1 as turn
  from flowtrail.skipped_instances s
  where s.flowinstanceid = any ($1::text[])
) o
order by o.flowinstanceid, o.turn
