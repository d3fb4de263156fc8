-- ingest/reruns_await: notes the staged reruns whose original is not stored yet
insert into flowtrail.reruns (original, rerun)
select distinct s.rerunofflowinstanceid, s.flowinstanceid
from pg_temp.stage_flows s
where s.kind = 1 and s.rerunofflowinstanceid <> ''
  and not exists (select from public.flowstate f where f.flowinstanceid = s.rerunofflowinstanceid)
on conflict (original, rerun) do nothing
