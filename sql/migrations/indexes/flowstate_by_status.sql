-- flowstate_by_status: the same with one status
create index concurrently flowtrail_flowstate_by_status
  on public.flowstate (hashtextextended(status, hashtextextended(appname, hashtextextended(userid, 0))), coalesce(starttime, '-infinity'), flowinstanceid);
