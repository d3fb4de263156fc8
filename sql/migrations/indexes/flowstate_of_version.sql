-- flowstate_of_version: the same of one version
create index concurrently flowtrail_flowstate_of_version
  on public.flowstate (userid, appname, appversion, coalesce(starttime, '-infinity'), flowinstanceid);
