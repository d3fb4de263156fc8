-- flowstate_of_flow: the same of one flow
create index concurrently flowtrail_flowstate_of_flow
  on public.flowstate (userid, appname, flowname, coalesce(starttime, '-infinity'), flowinstanceid);
