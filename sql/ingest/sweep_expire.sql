-- ingest/sweep_expire: forgets deletions after a day; events that old do not come any more
delete from flowtrail.cuts where kind = 'deleted' and made_at < now() - interval '1 day'
