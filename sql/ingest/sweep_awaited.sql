-- ingest/sweep_awaited: originals whose reruns were noted lately, where they are stored: a writer may not have seen the note
select distinct r.original
from flowtrail.reruns r
where r.noted_at > now() - make_interval(secs => $1)
  and exists (select from public.flowstate f where f.flowinstanceid = r.original)
order by r.original
