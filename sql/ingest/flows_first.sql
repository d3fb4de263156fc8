-- ingest/flows_first: the first ord of the stage, from which the batch counts its rows
select coalesce(min(ord), 0) as first from pg_temp.stage_flows
