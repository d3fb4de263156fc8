-- ingest/marks_any: whether any instance was ever cut or deleted, and whether a rerun waits for its original; nearly always false, and then free
select
  exists (select from flowtrail.cuts) as cuts,
  exists (select from flowtrail.reruns) as reruns
