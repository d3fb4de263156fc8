-- ingest/flows_shadowed: which staged instances have their attempts kept apart; nearly always none
select distinct flowinstanceid
from pg_temp.stage_flows
join flowtrail.attempts using (flowinstanceid)
order by flowinstanceid
