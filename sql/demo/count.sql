-- demo/count: rows of both tables
select (select count(*) from public.flowstate), (select count(*) from public.steps)
