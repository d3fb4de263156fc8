-- ingest/marks_none: holds the batch if any instance was ever cut or deleted, or a rerun waits for its original; free when there is none
select flowtrail.hold('FT001', 'cuts', 'there are instances that were cut or deleted, or originals that are awaited')
where exists (select from flowtrail.cuts) or exists (select from flowtrail.reruns)
