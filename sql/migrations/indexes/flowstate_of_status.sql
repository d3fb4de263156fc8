-- flowstate_of_status: the same with one status
create index concurrently flowtrail_flowstate_of_status
  on public.flowstate (userid, appname, status, coalesce(starttime, '-infinity'), flowinstanceid);
