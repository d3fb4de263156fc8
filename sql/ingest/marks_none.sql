-- ingest/marks_none: holds the batch if any instance was ever cut or deleted; free when there is none
select flowtrail.hold('FT001', 'cuts', 'there are instances that were cut or deleted')
where exists (select from flowtrail.cuts)
