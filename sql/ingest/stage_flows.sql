-- ingest/stage_flows: the staging table of a lane for starts (kind 1), ends (2) and ends that make no row (3)
create temporary table stage_flows (
  kind smallint not null, flowinstanceid text not null, userid text, appname text, appversion text, flowname text,
  hostid text not null, starttime timestamp, endtime timestamp, status text,
  parentflowinstanceid text, parentflowname text, misc bytea, rerunofflowinstanceid text,
  flowinput bytea, flowoutput bytea,
  ord integer generated always as identity
)
