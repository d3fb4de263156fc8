-- ingest/erase_cuts: forgets the reruns of these instances, all of them or those whose earlier attempts are gone
delete from flowtrail.cuts c
where c.flowinstanceid = any ($1) and c.kind <> 'deleted'
  and ($2 or c.kind = 'start' and not exists (
    select from flowtrail.attempts a
    where a.flowinstanceid = c.flowinstanceid and a.attempt > '-infinity' and a.attempt < c.cut_at))
