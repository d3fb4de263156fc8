-- ingest/attempts_hold: makes sure that each of these instances has a row to lock; answers with those that had none
insert into public.flowstate (flowinstanceid, hostid)
select flowinstanceid, '' from unnest($1::text[]) as flowinstanceid
order by flowinstanceid
on conflict (flowinstanceid) do nothing
returning flowinstanceid
