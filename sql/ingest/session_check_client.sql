-- ingest/session_check_client: lets the server notice within seconds that a lane is gone, where it can
select set_config('client_connection_check_interval', '5s', false)
from pg_catalog.pg_settings
where name = 'client_connection_check_interval'
