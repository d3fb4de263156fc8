-- flowstate_by_app: an app's instances, newest first; where there is no start time, last
create index concurrently flowtrail_flowstate_by_app
  on public.flowstate (hashtextextended(appname, hashtextextended(userid, 0)), coalesce(starttime, '-infinity'), flowinstanceid);
