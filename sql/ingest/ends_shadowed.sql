-- ingest/ends_shadowed: which of these instances have their attempts kept apart; asked once their rows are locked
select distinct flowinstanceid from flowtrail.attempts where flowinstanceid = any ($1)
