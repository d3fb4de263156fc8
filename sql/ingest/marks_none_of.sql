-- ingest/marks_none_of: holds the batch if one of its instances was cut or deleted since it was asked
select flowtrail.hold('FT001', 'cuts', 'one of its instances was cut or deleted')
where exists (select from flowtrail.cuts where flowinstanceid = any ($1::text[]))
