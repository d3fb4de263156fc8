-- ingest/reruns_lock: locks these originals, so that the count that follows sees every rerun stored before
select flowinstanceid from public.flowstate
where flowinstanceid = any ($1)
order by flowinstanceid
for no key update
