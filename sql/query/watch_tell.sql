-- query/watch_tell: hints that instances changed, to every server of this database
select pg_catalog.pg_notify('flowtrail_changes', payload)
from unnest($1::text[]) as payload
