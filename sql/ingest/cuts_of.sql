-- ingest/cuts_of: which of these instances are cut (deleted: false) or deleted (true); locked against a new placing
select flowinstanceid, kind = 'deleted' as deleted
from flowtrail.cuts
where flowinstanceid = any ($1)
order by flowinstanceid, kind, fromstep, asked_at
for share
