-- ingest/stage_steps: the staging table of a lane for steps; place is 0 current, 1 cut by a rerun, 2 of a deleted instance
create temporary table stage_steps (
  flowinstanceid text not null, stepid text not null, taskname text, status text,
  starttime timestamp not null, endtime timestamp, stepdata bytea, flowname text, subflowid text, misc bytea,
  rerun boolean, parentstepid text,
  place smallint not null default 0, ord integer generated always as identity
)
