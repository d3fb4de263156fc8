-- ingest/app_version: notes the version of an app seen last; passes over rows that somebody else has locked
update public.appstate a
set appversion = seen.appversion
from (
  select s.userid, s.appname, s.appversion
  from unnest($1::text[], $2::text[], $3::text[]) as s (userid, appname, appversion)
  join public.appstate o using (userid, appname)
  where o.appversion is distinct from s.appversion
  order by s.userid, s.appname
  for no key update of o skip locked
) seen
where a.userid = seen.userid and a.appname = seen.appname
