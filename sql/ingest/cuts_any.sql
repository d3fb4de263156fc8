-- ingest/cuts_any: whether any instance was ever cut or deleted; nearly always false, and then free
select exists (select from flowtrail.cuts)
