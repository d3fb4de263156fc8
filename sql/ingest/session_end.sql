-- ingest/session_end: ends the session that a lane had before, if it is still there
select pg_catalog.pg_terminate_backend(pid)
from pg_catalog.pg_stat_activity
where pid = $1 and extract(epoch from backend_start)::double precision = $2
