-- flowstate_by_status: the same with one status, of those that did not complete
create index concurrently flowtrail_flowstate_by_status
  on public.flowstate (hashtextextended(appname, hashtextextended(userid, 0)), hashtextextended(status, 0), coalesce(starttime, '-infinity'), flowinstanceid)
  where status <> 'Completed';
