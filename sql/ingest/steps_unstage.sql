-- ingest/steps_unstage: empties the stage; what it leaves on disk goes when it is truncated
delete from pg_temp.stage_steps
