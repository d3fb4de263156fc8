-- flowstate_by_version: the same of one version
create index concurrently flowtrail_flowstate_by_version
  on public.flowstate (
    hashtextextended(appname, hashtextextended(userid, 0)),
    coalesce(hashtextextended(appversion, 0), 0),
    coalesce(starttime, '-infinity'),
    flowinstanceid
  );
