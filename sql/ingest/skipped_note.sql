-- ingest/skipped_note: remembers whose start was skipped; in one order, so that two servers do not wait for each other
insert into flowtrail.skipped_instances as s (flowinstanceid, userid, appname)
select distinct on (n.flowinstanceid) n.flowinstanceid, n.userid, n.appname
from unnest($1::text[], $2::text[], $3::text[]) as n (flowinstanceid, userid, appname)
order by n.flowinstanceid
on conflict (flowinstanceid) do update
set userid = excluded.userid, appname = excluded.appname, noted_at = now()
