-- ingest/sweep_lock: one sweep at a time for the whole database
select pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('flowtrail sweep')) as mine
