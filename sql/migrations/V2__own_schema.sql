-- V2 own_schema: what flowtrail keeps beside the public tables; the schema itself exists before the first migration
create function flowtrail.executiontime(started timestamp, ended timestamp) returns text
language sql immutable parallel safe
as $$
  -- in whole microseconds, because `extract(epoch ...)` is a float before PostgreSQL 14
  select case when isfinite(started) and isfinite(ended) then (
    (extract(day from ended - started) * 86400000000
      + extract(hour from ended - started) * 3600000000
      + extract(minute from ended - started) * 60000000
      + extract(microseconds from ended - started))::bigint::numeric * 0.001
  )::text end
$$;
comment on function flowtrail.executiontime(timestamp, timestamp) is
  'milliseconds with three decimals, as public.flowstate.executiontime holds them; null when a time is unknown';

create table flowtrail.meta (
  database_id uuid not null,
  schema_version integer not null,
  oldest_binary integer not null
);
create unique index meta_one_row on flowtrail.meta ((true));
comment on table flowtrail.meta is 'one row: which database this is and who can work with it';
comment on column flowtrail.meta.oldest_binary is
  'the oldest schema version a program must know to work with this schema';
-- gen_random_uuid() is built in from PostgreSQL 13 on only
insert into flowtrail.meta (database_id, schema_version, oldest_binary)
  values (md5(random()::text || clock_timestamp()::text || txid_current()::text)::uuid, 2, 2);

create table flowtrail.attempts (
  flowinstanceid text not null,
  attempt timestamp not null,
  started boolean not null,
  ended boolean not null,
  userid text,
  appname text,
  appversion text,
  flowname text,
  hostid text not null,
  parentflowinstanceid text,
  parentflowname text,
  misc bytea,
  rerunofflowinstanceid text,
  flowinput bytea,
  start_endtime timestamp,
  start_status text,
  endtime timestamp,
  status text,
  flowoutput bytea,
  primary key (flowinstanceid, attempt)
);
comment on table flowtrail.attempts is
  'every attempt of an instance that is not simply one start and at most one end of the same start time';
comment on column flowtrail.attempts.attempt is 'its start time; -infinity for an end that named none';
comment on column flowtrail.attempts.start_endtime is 'endtime as the start told it';
comment on column flowtrail.attempts.start_status is 'status as the start told it';
comment on column flowtrail.attempts.endtime is 'endtime of the end that won';

create table flowtrail.past_steps (
  flowinstanceid text not null,
  stepid text not null,
  taskname text,
  status text,
  starttime timestamp not null,
  endtime timestamp,
  stepdata bytea,
  flowname text,
  subflowid text,
  misc bytea,
  rerun boolean,
  parentstepid text,
  primary key (flowinstanceid, stepid, starttime)
);
comment on table flowtrail.past_steps is
  'steps that are not the current record of their number: cut by a rerun, or replaced by a later record';

create table flowtrail.cuts (
  flowinstanceid text not null,
  kind text not null check (kind in ('start', 'step', 'deleted')),
  fromstep integer not null,
  asked_at timestamp not null,
  base timestamp,
  cut_at timestamp not null,
  made_at timestamptz not null default now(),
  primary key (flowinstanceid, kind, fromstep, asked_at)
);
create index cuts_made_at on flowtrail.cuts (made_at);
comment on table flowtrail.cuts is 'marks of reruns in place and of deletions';
comment on column flowtrail.cuts.asked_at is
  'when a rerun asked for it; the start time of the attempt for kind start';
comment on column flowtrail.cuts.base is 'the newest attempt stored when it was asked for';
comment on column flowtrail.cuts.cut_at is
  'steps from `fromstep` on that began before this belong to an earlier attempt';

create table flowtrail.reruns (
  original text not null,
  rerun text not null,
  noted_at timestamptz not null default now(),
  primary key (original, rerun)
);
create index reruns_noted_at on flowtrail.reruns (noted_at);
comment on table flowtrail.reruns is
  'reruns that counting the rows of flowstate would miss: their original was not stored yet, or another start of theirs is shown';

create view flowtrail.past_flowstate as
  select
    a.flowinstanceid,
    a.userid,
    a.appname,
    a.appversion,
    a.flowname,
    a.hostid,
    a.attempt as starttime,
    coalesce(case when a.ended then a.endtime end, a.start_endtime) as endtime,
    case when a.ended then flowtrail.executiontime(a.attempt, a.endtime) end as executiontime,
    case when a.ended then a.status else a.start_status end as status,
    a.parentflowinstanceid,
    a.parentflowname,
    a.misc,
    a.rerunofflowinstanceid,
    a.flowinput,
    a.flowoutput,
    null::integer as reruncount
  from flowtrail.attempts a
  where a.attempt > '-infinity'
    and exists (
      select from flowtrail.attempts newer
      where newer.flowinstanceid = a.flowinstanceid and newer.attempt > a.attempt);
comment on view flowtrail.past_flowstate is
  'the attempts that are not the newest of their instance, in the columns of public.flowstate';

-- lz4 where this server has it (14 or newer, and built with it): a third of pglz's processor time
do $$
declare
  payload text[];
begin
  if current_setting('server_version_num')::integer >= 140000 then
    foreach payload slice 1 in array array[
      ['public.steps', 'stepdata'],
      ['public.flowstate', 'flowinput'], ['public.flowstate', 'flowoutput'],
      ['flowtrail.past_steps', 'stepdata'],
      ['flowtrail.attempts', 'flowinput'], ['flowtrail.attempts', 'flowoutput']
    ] loop
      execute format('alter table %s alter column %I set compression lz4', payload[1], payload[2]);
    end loop;
  end if;
exception
  when feature_not_supported then null;
end
$$;
