-- ingest/sweep_cut: instances cut lately: a writer may not have seen the cut
select distinct flowinstanceid
from flowtrail.cuts
where made_at > now() - make_interval(secs => $1) and kind <> 'deleted'
order by flowinstanceid
