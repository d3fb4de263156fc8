-- ingest/erase_reruns: forgets what was noted of these instances as reruns, unless an attempt that is left names the original; what others noted of them stays, as it stays in the rows of those
delete from flowtrail.reruns r
where r.rerun = any ($1)
  and not exists (
    select from public.flowstate f
    where f.flowinstanceid = r.rerun and f.rerunofflowinstanceid = r.original)
  and not exists (
    select from flowtrail.attempts a
    where a.flowinstanceid = r.rerun and a.rerunofflowinstanceid = r.original)
