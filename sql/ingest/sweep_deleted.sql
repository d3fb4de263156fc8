-- ingest/sweep_deleted: instances deleted lately of which something is there that began before: its writer had not seen the deletion
select c.flowinstanceid
from flowtrail.cuts c
where c.kind = 'deleted' and c.made_at > now() - make_interval(secs => $1)
  and (exists (
      select from public.flowstate f
      where f.flowinstanceid = c.flowinstanceid and coalesce(f.starttime, f.endtime, '-infinity') < c.cut_at)
    or exists (
      select from flowtrail.attempts a
      where a.flowinstanceid = c.flowinstanceid
        and coalesce(nullif(a.attempt, '-infinity'), a.endtime, '-infinity') < c.cut_at)
    or exists (select from public.steps s where s.flowinstanceid = c.flowinstanceid and s.starttime < c.cut_at)
    or exists (select from flowtrail.past_steps s where s.flowinstanceid = c.flowinstanceid and s.starttime < c.cut_at))
order by c.flowinstanceid
