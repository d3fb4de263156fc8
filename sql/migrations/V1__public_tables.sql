-- V1 public_tables: the three tables other people's tools read; tables an older service made are upgraded in place
create table if not exists public.steps (
  flowinstanceid text not null,
  stepid text not null,
  taskname text,
  status text,
  starttime timestamp,
  endtime timestamp,
  stepdata bytea,
  flowname text,
  subflowid text,
  misc bytea,
  rerun boolean,
  parentstepid text,
  primary key (flowinstanceid, stepid)
);

create table if not exists public.flowstate (
  flowinstanceid text primary key,
  userid text,
  appname text,
  appversion text,
  flowname text,
  hostid text not null,
  starttime timestamp,
  endtime timestamp,
  executiontime text,
  status text,
  parentflowinstanceid text,
  parentflowname text,
  misc bytea,
  rerunofflowinstanceid text,
  flowinput bytea,
  flowoutput bytea,
  reruncount integer
);

create table if not exists public.appstate (
  userid text,
  appname text,
  appversion text,
  persistenceenabled boolean,
  primary key (userid, appname)
);

-- what a table of an older service may lack; adding a column that allows null rewrites nothing
alter table public.steps
  add column if not exists taskname text,
  add column if not exists status text,
  add column if not exists starttime timestamp,
  add column if not exists endtime timestamp,
  add column if not exists stepdata bytea,
  add column if not exists flowname text,
  add column if not exists subflowid text,
  add column if not exists misc bytea,
  add column if not exists rerun boolean,
  add column if not exists parentstepid text;

alter table public.flowstate
  add column if not exists userid text,
  add column if not exists appname text,
  add column if not exists appversion text,
  add column if not exists flowname text,
  add column if not exists starttime timestamp,
  add column if not exists endtime timestamp,
  add column if not exists executiontime text,
  add column if not exists status text,
  add column if not exists parentflowinstanceid text,
  add column if not exists parentflowname text,
  add column if not exists misc bytea,
  add column if not exists rerunofflowinstanceid text,
  add column if not exists flowinput bytea,
  add column if not exists flowoutput bytea,
  add column if not exists reruncount integer;

alter table public.appstate
  add column if not exists appversion text,
  add column if not exists persistenceenabled boolean;

-- misc of another type becomes the bytes of its text; a cast from text to bytea would read backslashes as escapes
do $$
declare
  owner_of_misc text;
begin
  foreach owner_of_misc in array array['steps', 'flowstate'] loop
    if (select a.atttypid <> 'pg_catalog.bytea'::pg_catalog.regtype
        from pg_catalog.pg_attribute a
        where a.attrelid = ('public.' || owner_of_misc)::pg_catalog.regclass and a.attname = 'misc') then
      execute format('alter table public.%I alter column misc drop default', owner_of_misc);
      execute format(
        'alter table public.%I alter column misc type bytea using pg_catalog.convert_to(misc::text, ''UTF8'')',
        owner_of_misc);
    end if;
  end loop;
end
$$;

-- rows are copied in binary form and merged by key: a table that differs is refused here, with its name
do $$
declare
  difference text;
begin
  select string_agg(
      format('public.%s.%s is %s but must be %s', want.tab, want.col,
        coalesce(format_type(a.atttypid, a.atttypmod), 'missing'), want.typ),
      '; ' order by want.tab, want.col)
    into difference
    from (values
      ('steps', 'flowinstanceid', 'text'), ('steps', 'stepid', 'text'), ('steps', 'taskname', 'text'),
      ('steps', 'status', 'text'), ('steps', 'starttime', 'timestamp without time zone'),
      ('steps', 'endtime', 'timestamp without time zone'), ('steps', 'stepdata', 'bytea'),
      ('steps', 'flowname', 'text'), ('steps', 'subflowid', 'text'), ('steps', 'misc', 'bytea'),
      ('steps', 'rerun', 'boolean'), ('steps', 'parentstepid', 'text'),
      ('flowstate', 'flowinstanceid', 'text'), ('flowstate', 'userid', 'text'), ('flowstate', 'appname', 'text'),
      ('flowstate', 'appversion', 'text'), ('flowstate', 'flowname', 'text'), ('flowstate', 'hostid', 'text'),
      ('flowstate', 'starttime', 'timestamp without time zone'),
      ('flowstate', 'endtime', 'timestamp without time zone'), ('flowstate', 'executiontime', 'text'),
      ('flowstate', 'status', 'text'), ('flowstate', 'parentflowinstanceid', 'text'),
      ('flowstate', 'parentflowname', 'text'), ('flowstate', 'misc', 'bytea'),
      ('flowstate', 'rerunofflowinstanceid', 'text'), ('flowstate', 'flowinput', 'bytea'),
      ('flowstate', 'flowoutput', 'bytea'), ('flowstate', 'reruncount', 'integer'),
      ('appstate', 'userid', 'text'), ('appstate', 'appname', 'text'), ('appstate', 'appversion', 'text'),
      ('appstate', 'persistenceenabled', 'boolean')
    ) as want (tab, col, typ)
    left join pg_catalog.pg_attribute a
      on a.attrelid = ('public.' || want.tab)::pg_catalog.regclass and a.attname = want.col and not a.attisdropped
    where a.attname is null
      or (a.atttypid <> want.typ::pg_catalog.regtype
        and not (want.typ = 'text' and a.atttypid = 'pg_catalog.varchar'::pg_catalog.regtype));
  if difference is not null then
    raise exception 'the tables here are not those of the execution history: %', difference
      using hint = 'correct these columns by hand, or use another database';
  end if;

  select string_agg(format('public.%s has no unique key on (%s)', want.tab, array_to_string(want.cols, ', ')), '; ')
    into difference
    from (values
      ('steps', array['flowinstanceid', 'stepid']),
      ('flowstate', array['flowinstanceid']),
      ('appstate', array['appname', 'userid'])
    ) as want (tab, cols)
    where not exists (
      select from pg_catalog.pg_index i
      where i.indrelid = ('public.' || want.tab)::pg_catalog.regclass
        and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
        and want.cols = (
          select array_agg(a.attname::text order by a.attname::text)
          from pg_catalog.pg_attribute a
          where a.attrelid = i.indrelid
            and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])));
  if difference is not null then
    raise exception 'the tables here are not those of the execution history: %', difference
      using hint = 'add the primary key by hand, or use another database';
  end if;
end
$$;
