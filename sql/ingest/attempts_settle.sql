-- ingest/attempts_settle: forgets the attempts of instances that are simply one start and at most one end again
delete from flowtrail.attempts a
where a.flowinstanceid = any ($1)
  and a.started and a.attempt > '-infinity' and a.start_status is distinct from 'Started'
  and not exists (
    select from flowtrail.attempts o
    where o.flowinstanceid = a.flowinstanceid and o.attempt <> a.attempt)
