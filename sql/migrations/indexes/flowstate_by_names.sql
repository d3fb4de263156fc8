-- flowstate_by_names: what there are instances of; small, as equal rows share an entry
create index concurrently flowtrail_flowstate_by_names
  on public.flowstate (
    hashtextextended(appname, hashtextextended(userid, 0)),
    hashtextextended(appversion, 0),
    hashtextextended(flowname, 0),
    hashtextextended(hostid, 0)
  );
