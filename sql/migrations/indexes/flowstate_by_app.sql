-- flowstate_by_app: the lists of instances, newest first
create index concurrently flowtrail_flowstate_by_app
  on public.flowstate (userid, appname, appversion, starttime desc);
