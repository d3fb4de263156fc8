-- check/tables: each table, whether it is there, and which of its needed privileges the role lacks; the tables behind the first of ours only when they lack one
select t.schema || '.' || t.name as name,
       c.oid is not null as present,
       not coalesce(has_schema_privilege(n.oid, 'usage'), true) as hidden,
       array(select p from unnest(array['select', 'insert', 'update', 'delete']) p
             where not has_table_privilege(c.oid, p)) as lacks,
       coalesce(has_table_privilege(c.oid, 'trigger'), false) as may_trigger
from (values (1, 'public', 'steps'), (2, 'public', 'flowstate'), (3, 'public', 'appstate'),
             (4, 'flowtrail', 'meta'), (5, 'flowtrail', 'attempts'), (6, 'flowtrail', 'past_steps'),
             (7, 'flowtrail', 'cuts'), (8, 'flowtrail', 'awaited_originals')) t (place, schema, name)
left join pg_namespace n on n.nspname = t.schema
left join pg_class c on c.relnamespace = n.oid and c.relname = t.name
where t.place <= 4
   or exists (select from unnest(array['select', 'insert', 'update', 'delete']) p
              where not has_table_privilege(c.oid, p))
order by t.place
