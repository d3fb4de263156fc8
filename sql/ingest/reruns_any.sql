-- ingest/reruns_any: a row if a rerun waits for its original; nearly always none
select 1
where exists (select from flowtrail.reruns)
