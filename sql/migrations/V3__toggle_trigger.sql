-- V3 toggle_trigger: says on a channel that a toggle changed; without the trigger a change is seen within half a second
create function flowtrail.tell_toggle_changed() returns trigger
language plpgsql
as $$
begin
  if (case tg_op
      when 'INSERT' then new.persistenceenabled is not null
      when 'UPDATE' then new.persistenceenabled is distinct from old.persistenceenabled
        or (new.persistenceenabled is not null and (new.userid, new.appname) is distinct from (old.userid, old.appname))
      else old.persistenceenabled is not null
    end) then
    perform pg_catalog.pg_notify('flowtrail_appstate', '');
  end if;
  return null;
end
$$;

do $$
begin
  drop trigger if exists flowtrail_toggle_changed on public.appstate;
  create trigger flowtrail_toggle_changed
    after insert or update or delete on public.appstate
    for each row execute function flowtrail.tell_toggle_changed();
exception
  when insufficient_privilege then
    raise warning 'this role may not create a trigger on public.appstate; toggles set by others are seen by polling';
end
$$;

update flowtrail.meta set schema_version = 3;
