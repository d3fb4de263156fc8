-- control/standing: what kind of server this is, for target_session_attrs
select pg_catalog.pg_is_in_recovery() as in_recovery,
       pg_catalog.current_setting('transaction_read_only') = 'on' as read_only
