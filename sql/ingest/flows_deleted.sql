-- ingest/flows_deleted: takes from the stage what happened to an instance before it was deleted
delete from pg_temp.stage_flows s
using flowtrail.cuts c
where c.flowinstanceid = any ($1) and c.kind = 'deleted'
  and s.flowinstanceid = c.flowinstanceid and coalesce(s.starttime, s.endtime) < c.cut_at
