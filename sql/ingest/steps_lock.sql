-- ingest/steps_lock: locks the stored records of the steps that are still staged
select count(*) from (
  select from public.steps t
  where (t.flowinstanceid, t.stepid) in (select flowinstanceid, stepid from pg_temp.stage_steps where place < 2)
  order by t.flowinstanceid, t.stepid
  for no key update
) locked
