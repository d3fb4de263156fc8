-- check/tables: each table and view, whether it is there, and which of its needed privileges the role lacks; the tables behind the first of ours only when they lack one
select t.schema || '.' || t.name as name,
       c.oid is not null as present,
       not coalesce(has_schema_privilege(n.oid, 'usage'), true) as hidden,
       array(select p from unnest(t.needs) p where not has_table_privilege(c.oid, p)) as lacks,
       coalesce(has_table_privilege(c.oid, 'trigger'), false) as may_trigger
from (values (1, 'public', 'steps', array['select', 'insert', 'update', 'delete']),
             (2, 'public', 'flowstate', array['select', 'insert', 'update', 'delete']),
             (3, 'public', 'appstate', array['select', 'insert', 'update']),
             (4, 'flowtrail', 'meta', array['select']),
             (5, 'flowtrail', 'attempts', array['select', 'insert', 'update', 'delete']),
             (6, 'flowtrail', 'past_steps', array['select', 'insert', 'update', 'delete']),
             (7, 'flowtrail', 'cuts', array['select', 'insert', 'update', 'delete']),
             (8, 'flowtrail', 'reruns', array['select', 'insert', 'update', 'delete']),
             (9, 'flowtrail', 'skipped_instances', array['select', 'insert', 'update', 'delete']),
             (10, 'flowtrail', 'instances', array['select']),
             (11, 'flowtrail', 'numbered_attempts', array['select']),
             (12, 'flowtrail', 'step_versions', array['select']),
             (13, 'flowtrail', 'stored_apps', array['select']))
     t (place, schema, name, needs)
left join pg_namespace n on n.nspname = t.schema
left join pg_class c on c.relnamespace = n.oid and c.relname = t.name
where t.place <= 4 or exists (select from unnest(t.needs) p where not has_table_privilege(c.oid, p))
order by t.place
