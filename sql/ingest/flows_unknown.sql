-- ingest/flows_unknown: takes from the stage the ends that may make no row and find no attempt to complete
delete from pg_temp.stage_flows s
where s.kind = 3
  and not exists (
    select from public.flowstate f
    where f.flowinstanceid = s.flowinstanceid and (s.starttime is null or f.starttime = s.starttime))
  and not exists (
    select from flowtrail.attempts a
    where a.flowinstanceid = s.flowinstanceid and a.attempt = s.starttime)
  and not exists (
    select from pg_temp.stage_flows o
    where o.flowinstanceid = s.flowinstanceid and o.kind < 3 and (s.starttime is null or o.starttime = s.starttime))
returning s.ord
