-- flowstate_by_original: the reruns of an instance
create index concurrently flowtrail_flowstate_by_original
  on public.flowstate (rerunofflowinstanceid) where rerunofflowinstanceid <> '';
