-- ingest/cut_make: cuts an instance from a step on, at a time in microseconds since 2000, for the attempt that will follow its newest one
insert into flowtrail.cuts (flowinstanceid, kind, fromstep, asked_at, base, cut_at)
select $1, 'step', $2, t.asked_at, (select starttime from public.flowstate where flowinstanceid = $1), t.asked_at
from (select timestamp '2000-01-01' + $3::bigint * interval '1 microsecond' as asked_at) t
on conflict (flowinstanceid, kind, fromstep, asked_at) do nothing
