-- flowstate_names: what there are instances of; small, as equal rows share an entry
create index concurrently flowtrail_flowstate_names
  on public.flowstate (userid, appname, appversion, flowname, hostid);
