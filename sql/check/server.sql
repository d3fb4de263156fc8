-- check/server: one row on the server, the database and this session
select current_setting('server_version') as version,
       current_setting('server_version_num')::integer as version_num,
       pg_is_in_recovery() as in_recovery,
       current_setting('transaction_read_only') = 'on' as read_only,
       pg_encoding_to_char(d.encoding)::text as encoding,
       current_setting('fsync') = 'on' as fsync,
       current_setting('full_page_writes') = 'on' as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('max_connections')::integer
         - current_setting('superuser_reserved_connections')::integer
         - (select coalesce(sum(numbackends), 0) from pg_stat_database)::integer
         as free_connections,
       current_setting('statement_timeout') as statement_timeout,
       (select 'lz4' = any(enumvals) from pg_settings where name = 'default_toast_compression') as lz4,
       exists (select from pg_extension where extname = 'citus') as citus,
       coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as encrypted,
       coalesce(host(inet_client_addr()) = host(inet_server_addr()), true) as same_machine,
       coalesce((select extract(epoch from clock_timestamp() - backend_start)
                 from pg_stat_activity where pid = pg_backend_pid()), 0)::double precision as session_age,
       has_database_privilege(d.oid, 'create') as may_create,
       has_database_privilege(d.oid, 'temp') as may_temp,
       current_user::text as role
from pg_database d
where d.datname = current_database()
