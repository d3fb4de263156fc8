-- database_exists: whether the service's database was made
select exists (select from pg_catalog.pg_database where datname = 'flowtrail') as made;
