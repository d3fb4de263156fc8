-- ingest/erase_lock: locks what marks these instances, as every writer that sees a mark shares it before it locks anything else
select flowinstanceid from flowtrail.cuts
where flowinstanceid = any ($1)
order by flowinstanceid, kind, fromstep, asked_at
for update
