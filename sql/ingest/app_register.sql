-- ingest/app_register: makes the rows of apps nobody has decided on; waits for nobody's lock
insert into public.appstate (userid, appname, appversion)
select userid, appname, appversion
from unnest($1::text[], $2::text[], $3::text[]) as seen (userid, appname, appversion)
order by userid, appname
on conflict (userid, appname) do nothing
