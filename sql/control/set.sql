-- set: decides whether an app is recorded; its version stays what was seen last
insert into public.appstate (userid, appname, persistenceenabled)
values ($1, $2, $3)
on conflict (userid, appname) do update set persistenceenabled = excluded.persistenceenabled
returning userid, appname, appversion, persistenceenabled
