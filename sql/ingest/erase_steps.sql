-- ingest/erase_steps: deletes the steps of these instances, those that began before the deletion or all; answers with their number
with gone as (
  select flowinstanceid, cut_at from flowtrail.cuts where flowinstanceid = any ($1) and kind = 'deleted'
), current as (
  delete from public.steps s
  using gone g
  where s.flowinstanceid = any ($1) and s.flowinstanceid = g.flowinstanceid and ($2 or s.starttime < g.cut_at)
  returning 1
), past as (
  delete from flowtrail.past_steps s
  using gone g
  where s.flowinstanceid = any ($1) and s.flowinstanceid = g.flowinstanceid and ($2 or s.starttime < g.cut_at)
  returning 1
)
select (select count(*) from current) + (select count(*) from past) as steps
