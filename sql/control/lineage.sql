-- control/lineage: which cluster this primary is of, and its timeline, which every promotion raises, as hexadecimal digits
select (select system_identifier from pg_catalog.pg_control_system()) as system,
       pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) as timeline
