-- ingest/erase_uncount: takes deleted reruns, one for each time that an original is listed, from the counts; never below the reruns that are stored, nor further, as an older service may have counted some that are not
update public.flowstate f
set reruncount = n.reruns
from (
  select o.flowinstanceid, greatest(o.reruncount - g.gone, (
    select count(*)::integer
    from (
      select r.flowinstanceid from public.flowstate r
      where r.rerunofflowinstanceid = o.flowinstanceid and r.rerunofflowinstanceid <> ''
      union
      select r.rerun from flowtrail.reruns r where r.original = o.flowinstanceid
    ) named)) as reruns
  from (select original, count(*)::integer as gone from unnest($1::text[]) as original group by original) g
  join public.flowstate o on o.flowinstanceid = g.original
) n
where f.flowinstanceid = n.flowinstanceid and f.reruncount is distinct from n.reruns
