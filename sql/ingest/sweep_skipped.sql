-- ingest/sweep_skipped: forgets starts that were skipped more than a day ago
delete from flowtrail.skipped_instances where noted_at < now() - interval '1 day'
