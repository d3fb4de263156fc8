-- flowstate_of_app: an app's instances, newest first; where there is no start time, last
create index concurrently flowtrail_flowstate_of_app
  on public.flowstate (userid, appname, coalesce(starttime, '-infinity'), flowinstanceid);
