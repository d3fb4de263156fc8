-- history: the own schema and the list of applied migrations, in the form the migration runner reads
do $$
begin
  -- asked first, because `if not exists` wants the privilege even when there is nothing to make
  if to_regnamespace('flowtrail') is null then
    create schema flowtrail;
  end if;
  if to_regclass('flowtrail.migrations') is null then
    create table flowtrail.migrations (
      version int4 primary key,
      name varchar(255),
      applied_on varchar(255),
      checksum varchar(255)
    );
  end if;
end
$$;
