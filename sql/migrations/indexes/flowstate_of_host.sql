-- flowstate_of_host: the same of one host
create index concurrently flowtrail_flowstate_of_host
  on public.flowstate (userid, appname, hostid, coalesce(starttime, '-infinity'), flowinstanceid);
