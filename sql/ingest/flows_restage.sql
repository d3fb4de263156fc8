-- ingest/flows_restage: empties the stage and gives its space back, which takes a few milliseconds whatever is in it
truncate pg_temp.stage_flows restart identity
