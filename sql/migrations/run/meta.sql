-- meta: which database this is, the version of its schema and the oldest one a program must know to work with it
select database_id, schema_version, oldest_binary from flowtrail.meta;
