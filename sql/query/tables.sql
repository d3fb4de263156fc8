-- query/tables: whether the tables of the history are there, and those columns that older ones lack
select count(*) filter (where relation.relname in ('steps', 'flowstate', 'appstate')) = 3 as complete,
       coalesce(bool_or(exists (
         select from pg_catalog.pg_attribute
         where attrelid = relation.oid and attname = 'flowinput' and not attisdropped
       )) filter (where relation.relname = 'flowstate'), false) as payloads
from pg_catalog.pg_class relation
join pg_catalog.pg_namespace schema on schema.oid = relation.relnamespace
where schema.nspname = 'public' and relation.relkind in ('r', 'p', 'v', 'm', 'f')
