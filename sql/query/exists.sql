-- query/exists: whether anything of an instance is stored
select exists (select from public.flowstate f where f.flowinstanceid = $1)
  or exists (select from public.steps s where s.flowinstanceid = $1) as stored
