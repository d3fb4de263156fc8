-- control/session: what every connection of the pool has in common; $1 is the statement timeout with its unit
select pg_catalog.set_config('timezone', 'UTC', false),
       pg_catalog.set_config('search_path', '', false),
       pg_catalog.set_config('statement_timeout', $1, false),
       -- estimates of recursive statements are high; compiling them takes a hundred times what running them does
       pg_catalog.set_config('jit', 'off', false)
