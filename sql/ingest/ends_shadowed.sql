-- ingest/ends_shadowed: holds the batch if one of these instances has its attempts kept apart; asked once their rows are locked
select flowtrail.hold('FT002', 'flowstate', 'one of its ends is of an instance with several attempts')
where exists (select from flowtrail.attempts where flowinstanceid = any ($1::text[]))
