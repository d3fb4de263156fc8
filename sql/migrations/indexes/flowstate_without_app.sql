-- flowstate_without_app: instances of other tools that name no user or no app, newest first
create index concurrently flowtrail_flowstate_without_app
  on public.flowstate (coalesce(starttime, '-infinity'), flowinstanceid)
  where userid is null or appname is null;
