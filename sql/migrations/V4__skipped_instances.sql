-- V4 skipped_instances: instances whose start came over REST while their app was off: their steps name no app
create unlogged table flowtrail.skipped_instances (
  flowinstanceid text primary key,
  userid text not null,
  appname text not null,
  noted_at timestamptz not null default now()
);
create index skipped_instances_noted_at on flowtrail.skipped_instances (noted_at);
comment on table flowtrail.skipped_instances is
  'instances whose start was skipped, for a day: steps that come over REST name no app; not logged, a crash of the database forgets them';

update flowtrail.meta set schema_version = 4;
