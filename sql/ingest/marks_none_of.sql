-- ingest/marks_none_of: holds the batch if one of its instances was cut or deleted, or is awaited by a rerun, since it was asked
select flowtrail.hold('FT001', 'cuts', 'one of its instances was cut or deleted, or is awaited by a rerun')
where exists (select from flowtrail.cuts where flowinstanceid = any ($1::text[]))
  or exists (select from flowtrail.reruns where original = any ($1::text[]))
