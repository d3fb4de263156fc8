-- ingest/attempts_lock: locks the rows of these instances, always in the same order
select flowinstanceid from public.flowstate
where flowinstanceid = any ($1)
order by flowinstanceid
for no key update
