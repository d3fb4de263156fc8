-- load/count: the rows of a run, whose instance ids end alike
select
  (select count(*) from public.flowstate where right(flowinstanceid, 16) = $1) as flowstate,
  (select count(*) from public.steps where right(flowinstanceid, 16) = $1) as steps
