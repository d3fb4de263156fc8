-- flowstate_by_host: the same of one host
create index concurrently flowtrail_flowstate_by_host
  on public.flowstate (hashtextextended(appname, hashtextextended(userid, 0)), hashtextextended(hostid, 0), coalesce(starttime, '-infinity'), flowinstanceid);
