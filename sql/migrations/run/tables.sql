-- tables: which of the tables there are
select
  to_regclass('flowtrail.meta') is not null as meta,
  to_regclass('flowtrail.migrations') is not null as history,
  to_regclass('public.steps') is not null
    or to_regclass('public.flowstate') is not null
    or to_regclass('public.appstate') is not null as public_tables;
