-- flowstate_by_names: what there are instances of; small, as equal rows share an entry
create index concurrently flowtrail_flowstate_by_names
  on public.flowstate (
    hashtextextended(appname, hashtextextended(userid, 0)),
    hashtextextended(appversion, hashtextextended(appname, hashtextextended(userid, 0))),
    hashtextextended(flowname, hashtextextended(appname, hashtextextended(userid, 0))),
    hashtextextended(hostid, hashtextextended(appname, hashtextextended(userid, 0)))
  );
