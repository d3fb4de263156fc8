-- ingest/cuts_step: a cut asked for by a rerun takes the start time of the attempt that followed; answers with the instances whose cut changed
update flowtrail.cuts c
set cut_at = n.cut_at, made_at = now()
from (
  select k.flowinstanceid, k.fromstep, k.asked_at, coalesce(min(a.attempt), k.asked_at) as cut_at
  from flowtrail.cuts k
  left join flowtrail.attempts a on a.flowinstanceid = k.flowinstanceid and a.attempt > k.base
  where k.flowinstanceid = any ($1) and k.kind = 'step'
  group by k.flowinstanceid, k.fromstep, k.asked_at
) n
where c.flowinstanceid = n.flowinstanceid and c.kind = 'step' and c.fromstep = n.fromstep and c.asked_at = n.asked_at
  and c.cut_at <> n.cut_at
returning c.flowinstanceid
