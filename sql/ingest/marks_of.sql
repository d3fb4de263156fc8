-- ingest/marks_of: a row if one of these instances was cut or deleted
select 1
where exists (select from flowtrail.cuts where flowinstanceid = any ($1::text[]))
