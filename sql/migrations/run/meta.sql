-- meta: the version of the schema and the oldest one a program must know to work with it
select schema_version, oldest_binary from flowtrail.meta;
