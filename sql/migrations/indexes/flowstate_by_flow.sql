-- flowstate_by_flow: the same of one flow of a version; and what there are instances of; the host behind it all, so that others' rows are passed over in the index
create index concurrently flowtrail_flowstate_by_flow
  on public.flowstate (
    hashtextextended(appname, hashtextextended(userid, 0)),
    coalesce(hashtextextended(appversion, 0), 0),
    coalesce(hashtextextended(flowname, 0), 0),
    coalesce(starttime, '-infinity'),
    flowinstanceid,
    hashtextextended(hostid, 0)
  );
