-- ingest/erase_owner: whose an instance is, and whether anything of it is stored
select
  (select userid from public.flowstate where flowinstanceid = $1) as userid,
  exists (select from public.flowstate where flowinstanceid = $1)
    or exists (select from public.steps where flowinstanceid = $1) as stored
