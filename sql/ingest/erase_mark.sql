-- ingest/erase_mark: from now on what happened to an instance before now is dropped, and so is what is no later than the latest stored, as clocks differ by up to a day
insert into flowtrail.cuts as c (flowinstanceid, kind, fromstep, asked_at, cut_at)
select $1, 'deleted', 0, '-infinity', greatest(n.now, max(t.starttime) + interval '1 microsecond')
from (select clock_timestamp() at time zone 'UTC' as now) n
left join (
  select starttime from public.flowstate where flowinstanceid = $1
  union all
  select starttime from public.steps where flowinstanceid = $1
  union all
  select starttime from flowtrail.past_steps where flowinstanceid = $1
) t on t.starttime < n.now + interval '1 day'
group by n.now
on conflict (flowinstanceid, kind, fromstep, asked_at) do update
set cut_at = greatest(c.cut_at, excluded.cut_at), made_at = now()
