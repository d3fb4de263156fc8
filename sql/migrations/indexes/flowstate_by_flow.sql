-- flowstate_by_flow: the same of one flow
create index concurrently flowtrail_flowstate_by_flow
  on public.flowstate (hashtextextended(appname, hashtextextended(userid, 0)), hashtextextended(flowname, 0), coalesce(starttime, '-infinity'), flowinstanceid);
