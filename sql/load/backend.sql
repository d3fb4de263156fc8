-- load/backend: the process that serves this connection
select pg_catalog.pg_backend_pid() as pid
