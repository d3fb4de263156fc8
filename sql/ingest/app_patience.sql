-- ingest/app_patience: how long the registration of an app waits for somebody else's lock; events wait behind it
select set_config('lock_timeout', '100ms', true)
