-- ingest/marks_of: a row if one of these instances was cut or deleted, or is awaited by a rerun
select 1
where exists (select from flowtrail.cuts where flowinstanceid = any ($1::text[]))
  or exists (select from flowtrail.reruns where original = any ($1::text[]))
