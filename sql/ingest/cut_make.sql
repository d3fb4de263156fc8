-- ingest/cut_make: cuts an instance from a step on, for the attempt that will follow its newest one
insert into flowtrail.cuts (flowinstanceid, kind, fromstep, asked_at, base, cut_at)
select $1, 'step', $2, $3, (select starttime from public.flowstate where flowinstanceid = $1), $3
on conflict (flowinstanceid, kind, fromstep, asked_at) do nothing
