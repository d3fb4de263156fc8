-- script_head: what the printed script checks before it changes anything
do $$
begin
  if current_setting('server_version_num')::integer < 120000 then
    raise exception 'this PostgreSQL is too old' using hint = 'PostgreSQL 12 or newer is needed';
  end if;
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'the encoding of this database is %', current_setting('server_encoding')
      using hint = 'make one with: create database flowtrail encoding ''UTF8'' template template0';
  end if;
  if not pg_try_advisory_lock(7308906934570151795) then
    raise exception 'another migration of this database is running' using hint = 'wait for it, then run this again';
  end if;
end
$$;
