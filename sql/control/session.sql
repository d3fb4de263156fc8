-- control/session: what every connection of the pool has in common; $1 is the statement timeout with its unit
select pg_catalog.set_config('timezone', 'UTC', false),
       pg_catalog.set_config('search_path', '', false),
       pg_catalog.set_config('statement_timeout', $1, false),
       -- who vanished in the middle of a transaction, behind a network that says nothing, must not hold its locks
       pg_catalog.set_config('idle_in_transaction_session_timeout', $1, false),
       pg_catalog.set_config('tcp_keepalives_idle', '5', false),
       pg_catalog.set_config('tcp_keepalives_interval', '3', false),
       pg_catalog.set_config('tcp_keepalives_count', '3', false),
       -- estimates of recursive statements are high; compiling them takes a hundred times what running them does
       pg_catalog.set_config('jit', 'off', false)
