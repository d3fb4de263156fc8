-- ingest/app_register: makes the rows of apps nobody has decided on; does not touch one that is there, since somebody who is changing it would be waited for
insert into public.appstate (userid, appname, appversion)
select userid, appname, appversion
from unnest($1::text[], $2::text[], $3::text[]) as seen (userid, appname, appversion)
where not exists (
  select from public.appstate a where a.userid = seen.userid and a.appname = seen.appname)
order by userid, appname
on conflict (userid, appname) do nothing
