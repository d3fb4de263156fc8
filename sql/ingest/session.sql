-- ingest/session: what a lane's connection insists on; the timeouts are in milliseconds
select
  set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('timezone', 'UTC', false),
  set_config('search_path', '', false),
  set_config('lock_timeout', $1, false),
  set_config('statement_timeout', $2, false),
  -- a staged batch is sorted and kept in memory
  set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')), 67108864) / 1024 || 'kB', false),
  set_config('temp_buffers', greatest(pg_size_bytes(current_setting('temp_buffers')), 33554432) / 8192 || '', false),
  set_config('jit', 'off', false),
  -- a lane that vanished in the middle of a transaction, behind a network that says nothing, must not hold its locks
  set_config('idle_in_transaction_session_timeout', $2, false),
  set_config('tcp_keepalives_idle', '5', false),
  set_config('tcp_keepalives_interval', '3', false),
  set_config('tcp_keepalives_count', '3', false),
  exists (select from pg_catalog.pg_extension where extname = 'citus') as citus,
  pg_catalog.pg_backend_pid() as pid,
  (select extract(epoch from backend_start)::double precision from pg_catalog.pg_stat_activity
    where pid = pg_catalog.pg_backend_pid()) as started_at
